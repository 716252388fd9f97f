//! Reading optional members of JSON objects with errors that name the member.

use serde_json::{Map, Value};

use super::ContractError;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

fn wrong(path: &str, wanted: &str) -> ContractError {
    ContractError::malformed(format!("member {path} must be {wanted}"))
}

/// The last part of a dotted path is the key; the whole path is for the error.
fn present<'a>(object: &'a Object, path: &str) -> Option<&'a Value> {
    let key = path.rsplit('.').next().unwrap_or(path);
    object.get(key).filter(|value| !value.is_null())
}

/// An optional object.
pub(super) fn object<'a>(
    object: &'a Object,
    path: &str,
) -> Result<Option<&'a Object>, ContractError> {
    present(object, path)
        .map(|value| value.as_object().ok_or_else(|| wrong(path, "an object")))
        .transpose()
}

/// A required object.
pub(super) fn required_object<'a>(
    parent: &'a Object,
    path: &str,
) -> Result<&'a Object, ContractError> {
    object(parent, path)?.ok_or_else(|| wrong(path, "an object; it is missing"))
}

/// An optional string.
pub(super) fn string<'a>(object: &'a Object, path: &str) -> Result<Option<&'a str>, ContractError> {
    present(object, path)
        .map(|value| value.as_str().ok_or_else(|| wrong(path, "a string")))
        .transpose()
}

/// A required string.
pub(super) fn required_string<'a>(
    object: &'a Object,
    path: &str,
) -> Result<&'a str, ContractError> {
    string(object, path)?.ok_or_else(|| wrong(path, "a string; it is missing"))
}

/// An optional whole number from 0.
pub(super) fn number(object: &Object, path: &str) -> Result<Option<u64>, ContractError> {
    present(object, path)
        .map(|value| {
            value
                .as_u64()
                .ok_or_else(|| wrong(path, "a whole number from 0"))
        })
        .transpose()
}

/// An optional truth value; missing is false.
pub(super) fn flag(object: &Object, path: &str) -> Result<bool, ContractError> {
    present(object, path).map_or(Ok(false), |value| {
        value.as_bool().ok_or_else(|| wrong(path, "true or false"))
    })
}

/// An optional list.
pub(super) fn list<'a>(
    object: &'a Object,
    path: &str,
) -> Result<Option<&'a [Value]>, ContractError> {
    present(object, path)
        .map(|value| {
            value
                .as_array()
                .map(Vec::as_slice)
                .ok_or_else(|| wrong(path, "a list"))
        })
        .transpose()
}

/// An optional list of at most `limit` strings.
pub(super) fn strings(
    object: &Object,
    path: &str,
    limit: usize,
) -> Result<Option<Vec<String>>, ContractError> {
    let Some(values) = list(object, path)? else {
        return Ok(None);
    };
    if values.len() > limit {
        return Err(wrong(path, &format!("a list of at most {limit} strings")));
    }
    values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .map(Some)
        .ok_or_else(|| wrong(path, "a list of strings"))
}
