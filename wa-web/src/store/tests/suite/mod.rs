//! What every backend must do, as the library's traits describe it.

mod app_state;
mod device;
mod messages;
mod protocol;
mod signal;

use whatsapp_rust::wacore::store::InMemoryBackend;

use super::{Opened, TestResult};

/// Runs each case against both backends.
macro_rules! conformance {
    ($($area:ident::$case:ident),+ $(,)?) => {
        mod in_memory {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() -> TestResult {
                    $area::$case(&InMemoryBackend::new()).await
                }
            )+
        }
        mod sealed {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() -> TestResult {
                    $area::$case(&Opened::new()?.store).await
                }
            )+
        }
    };
}

conformance! {
    signal::identities_are_replaced_and_deleted,
    signal::sessions_are_kept_byte_for_byte,
    signal::a_user_is_found_by_any_device_and_only_by_the_whole_name,
    signal::prekeys_are_loaded_listed_and_consumed,
    signal::marking_uploaded_never_brings_a_prekey_back,
    signal::signed_prekeys_are_listed,
    signal::sender_keys_are_replaced_and_deleted,
    app_state::the_latest_sync_key_is_the_one_stored_last,
    app_state::versions_default_and_survive,
    app_state::macs_belong_to_their_collection,
    protocol::sender_key_status_is_merged_and_forgotten,
    protocol::a_lid_that_moves_leaves_its_old_number,
    protocol::the_newest_lid_of_a_number_counts,
    protocol::lid_mappings_are_listed,
    protocol::base_keys_are_compared_per_message,
    protocol::device_lists_are_replaced_whole,
    protocol::group_metadata_is_opaque,
    protocol::tc_token_halves_have_owners,
    protocol::tc_tokens_expire_only_when_both_halves_are_stale,
    messages::a_sent_message_is_taken_once,
    messages::old_sent_messages_are_swept,
    messages::pending_messages_are_kept_until_deleted,
    messages::pending_batches_match_single_calls,
    messages::secrets_merge_their_times,
    messages::secrets_expire_but_never_at_zero,
    device::a_device_is_created_once_and_round_trips,
}
