//! Calls about groups.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use whatsapp_rust::wacore_binary::Jid;

use super::error::parse;
use super::types::{ChangeGroup, CreateGroup, GroupInfo};
use super::{Control, ControlError};
use crate::wa_sim::groups::GroupChange;
use crate::wa_sim::phone::PhoneError;

pub(super) async fn create(
    State(control): State<Control>,
    body: Bytes,
) -> Result<Json<GroupInfo>, ControlError> {
    let request: CreateGroup = parse(&body)?;
    let hub = control.hub();
    let group = hub.create_group(
        &request.creator,
        &request.subject,
        &request.members,
        request.lid,
    )?;
    Ok(Json(describe(&control, &group)))
}

pub(super) async fn members(
    State(control): State<Control>,
    Path(group): Path<String>,
) -> Result<Json<GroupInfo>, ControlError> {
    let group = group_jid(&group)?;
    let info = describe(&control, &group);
    if info.members.is_empty() {
        return Err(ControlError::NotFound(format!("nobody is in {group}")));
    }
    Ok(Json(info))
}

pub(super) async fn change(
    State(control): State<Control>,
    Path(group): Path<String>,
    body: Bytes,
) -> Result<Json<GroupInfo>, ControlError> {
    let request: ChangeGroup = parse(&body)?;
    let group = group_jid(&group)?;
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let changes = [
        some(request.add).map(GroupChange::Add),
        some(request.remove).map(GroupChange::Remove),
        some(request.promote).map(GroupChange::Promote),
        some(request.demote).map(GroupChange::Demote),
        request.subject.map(GroupChange::Subject),
        request.leave.then_some(GroupChange::Leave),
    ];
    for change in changes.into_iter().flatten() {
        control.hub().change_group(&group, &request.actor, change)?;
    }
    Ok(Json(describe(&control, &group)))
}

fn describe(control: &Control, group: &Jid) -> GroupInfo {
    GroupInfo {
        group: group.to_string(),
        members: control.hub().group_members(group),
    }
}

fn group_jid(text: &str) -> Result<Jid, ControlError> {
    let text = if text.contains('@') {
        text.to_owned()
    } else {
        format!("{text}@g.us")
    };
    text.parse()
        .map_err(|_bad| PhoneError::BadAddress(text).into())
}
