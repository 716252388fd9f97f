//! The records' form on disk, byte for byte: whoever changes it sees it here.

use super::*;
use crate::inbox::{
    Cursor,
    entry::{Entry, Place, Standing},
    record,
};

#[test]
fn a_stored_message_keeps_its_form() -> Result {
    let mut message = text_message(ANNA, "3EB0", "hi");
    message.quoted_id = Some("Q".to_owned());
    message.sender_aliases = vec![ChatId::from_canonical("9@lid")];
    let mut standing = Standing::new(Place::Parked, 1);
    standing.attempts = 3;
    standing.last_error = Some("x".to_owned());
    let cursor = Cursor::from(cursor(ANNA, "3EB0"));
    let bytes = record::encode(&cursor, &message, &standing);
    assert_eq!(
        hex::encode(&bytes),
        "0a2277613a313535353030303030303140732e77686174736170702e6e65743a3345423012590a1a\
         313535353030303030303140732e77686174736170702e6e6574221a313535353030303030303140\
         732e77686174736170702e6e65742a0539406c69643204334542303a0268694880d8c1a28c345204\
         546573746201511a09080110012003520178"
    );
    assert_eq!(
        record::decode(1, &bytes)?,
        (cursor.clone(), message.clone(), standing.clone())
    );
    let grave = record::tombstone(
        &Entry::new(cursor, &message, standing),
        loong_proto::store::InboxEnd::Revoked,
        5,
    );
    let grave = prost::Message::encode_to_vec(&grave);
    assert!(
        !grave.windows(2).any(|pair| pair == b"hi"),
        "a tombstone holds no text"
    );
    Ok(())
}

#[test]
fn damaged_records_are_errors() {
    for bytes in [&b""[..], b"\x0a", b"\x12\x00", b"\xff\xff\xff"] {
        assert!(record::decode(1, bytes).is_err(), "{bytes:?}");
    }
}
