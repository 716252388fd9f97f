//! Reading a request body within its bounds.

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use hyper::body::Body as _;

use super::ServerLimits;
use crate::contract::ContractError;

/// How much of a body that is too large is read and thrown away, so that a
/// client which writes before it reads sees the answer instead of a reset.
const DRAIN_FACTOR: usize = 8;

/// Reads the whole body.
pub(super) async fn read(body: Body, limits: &ServerLimits) -> Result<Bytes, ContractError> {
    let seconds = limits.body_time.as_secs();
    tokio::time::timeout(limits.body_time, collect(body, limits.body_bytes))
        .await
        .unwrap_or(Err(ContractError::SlowBody { seconds }))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, ContractError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut collected = Vec::with_capacity(expected.min(limit));
    let mut seen = 0_usize;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_broken| ContractError::BrokenBody)?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            collected.extend_from_slice(&chunk);
        } else if seen > limit.saturating_mul(DRAIN_FACTOR) {
            break;
        }
    }
    if seen > limit {
        let limit = format!("{limit} bytes");
        return Err(ContractError::TooLarge {
            what: "the request body",
            limit,
        });
    }
    Ok(collected.into())
}
