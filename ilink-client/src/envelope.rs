//! The result envelope that every answer carries beside its own fields.

use serde::Deserialize;

/// Why the server refused a call inside an HTTP 200.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// −14: the bot token is stale or unknown; only a new login helps.
    #[error("the WeChat session has expired")]
    SessionExpired,
    /// −2: refused; one code for a closed reply window, throttling, a text that
    /// is too long, and malformed requests.
    #[error("WeChat refused the request ({message})")]
    Refused {
        /// What the server wrote, which does not tell the causes apart.
        message: String,
    },
    /// Any other code.
    #[error("WeChat answered with code {code} ({message})")]
    Other {
        /// The code.
        code: i64,
        /// What the server wrote.
        message: String,
    },
}

impl ApiError {
    /// Whether a new login is the only way on.
    #[must_use]
    pub const fn is_session_expired(&self) -> bool {
        matches!(self, Self::SessionExpired)
    }
}

/// `ret`, `errcode` and `errmsg`; each may be missing, and a missing code is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Envelope {
    /// The result code.
    #[serde(default)]
    pub ret: Option<i64>,
    /// The error code; stale-token answers often carry it alone.
    #[serde(default)]
    pub errcode: Option<i64>,
    /// Text for people.
    #[serde(default)]
    pub errmsg: Option<String>,
}

impl Envelope {
    /// Whether the call worked.
    ///
    /// # Errors
    /// When `ret` or `errcode` is not zero.
    pub fn check(&self) -> Result<(), ApiError> {
        let codes = [self.ret, self.errcode];
        let Some(code) = codes.into_iter().flatten().find(|code| *code != 0) else {
            return Ok(());
        };
        let message = self.errmsg.clone().unwrap_or_default();
        Err(match code {
            -14 => ApiError::SessionExpired,
            -2 => ApiError::Refused { message },
            code => ApiError::Other { code, message },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_code_is_success_and_either_code_fails() -> Result<(), serde_json::Error> {
        let check = |json: &str| Ok(serde_json::from_str::<Envelope>(json)?.check());
        assert_eq!(check("{}")?, Ok(()));
        assert_eq!(check(r#"{"ret":0}"#)?, Ok(()));
        assert_eq!(
            check(r#"{"ret":0,"errcode":-14}"#)?,
            Err(ApiError::SessionExpired)
        );
        assert_eq!(
            check(r#"{"ret":-2,"errmsg":"prepare failed"}"#)?,
            Err(ApiError::Refused {
                message: "prepare failed".to_owned()
            })
        );
        assert!(matches!(
            check(r#"{"ret":7}"#)?,
            Err(ApiError::Other { code: 7, .. })
        ));
        Ok(())
    }
}
