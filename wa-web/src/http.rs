//! The library wants an HTTP client for media and version look-ups; neither
//! happens through it here.

use whatsapp_rust::{
    anyhow, async_trait,
    http::{HttpClient, HttpRequest, HttpResponse},
};

/// Refuses every request.
pub(crate) struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, _request: HttpRequest) -> anyhow::Result<HttpResponse> {
        Err(anyhow::anyhow!("this bridge does not fetch media"))
    }
}
