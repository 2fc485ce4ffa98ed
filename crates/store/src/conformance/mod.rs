//! The conformance suite: every promise of `crate::traits` as a case, run against every backend by
//! `conformance_suite!`. A bug found in one backend becomes a case for all. Cases see a store through its
//! traits only; what is special to one backend is tested beside it, in `tests/`.

// A case that cannot go on fails: that is what its unwraps say.
#![expect(clippy::missing_panics_doc, reason = "a case panics to fail")]

pub mod apply;
pub mod batches;
mod bench;
pub mod change;
pub mod claim;
mod clock;
pub mod configs;
pub mod deliveries;
pub mod identity;
pub mod image_jobs;
pub mod images;
pub mod joins;
pub mod keys;
pub mod lease;
pub mod limits;
pub mod long_texts;
pub mod nodes;
pub mod progress;
pub mod query;
pub mod queue;
pub mod races;
pub mod records;
pub mod resource_races;
pub mod resources;
pub mod spread;
pub mod submit;
pub mod sweep;
pub mod tag_races;
pub mod tags;

pub use bench::{Bench, Fresh, SECOND};
pub use clock::{HandClock, START_MS};

/// Runs one case on a fresh store. Used by `conformance_suite!`.
pub fn run(open: impl FnOnce(std::sync::Arc<HandClock>) -> Fresh, case: impl AsyncFnOnce(&Bench)) {
    let bench = Bench::new(open);
    futures::executor::block_on(case(&bench));
}

/// One `#[test]` per case; `$open` makes a fresh store: `fn(Arc<HandClock>) -> Fresh`.
#[macro_export]
macro_rules! conformance_suite {
    ($open:ident) => {
        $crate::conformance_family!($open, submit: [
            a_submitted_job_waits_and_reads_back,
            an_unknown_job_is_none,
            the_request_hash_is_kept,
            sixty_four_equal_submits_at_once_make_one_job,
            a_repeated_submit_answers_the_job_as_it_is_now,
            another_request_for_a_taken_uuid_changes_nothing,
            the_record_is_stored_with_the_job,
            a_known_record_id_refuses_the_submission,
            a_submission_may_be_claimed_in_the_same_commit,
            a_submission_does_not_overtake_a_waiting_job_of_its_class,
            a_submission_does_not_overtake_a_released_job,
            a_submission_does_not_overtake_an_orphaned_job,
            an_ordered_submission_waits_for_earlier_ones_on_its_target,
            a_submission_for_a_node_without_lease_waits,
            tags_are_stored_with_the_job,
        ]);
        $crate::conformance_family!($open, batches: [
            a_batch_is_stored_and_answered_in_its_order,
            what_one_of_a_batch_refuses_takes_no_other_with_it,
            a_batch_sent_again_is_the_same_jobs,
            twins_in_one_batch_are_one_job,
            an_empty_batch_is_nothing,
            a_batch_counts_what_it_stored,
            of_a_batch_the_first_is_claimed_at_once,
            batches_at_once_lose_and_double_nothing,
        ]);
        $crate::conformance_family!($open, claim: [
            jobs_are_claimed_first_come_first,
            a_claim_respects_the_free_slots_of_each_class,
            a_waiting_job_is_claimed_to_start,
            a_held_job_is_not_claimed_again,
            a_released_job_is_resumed_from_its_checkpoint,
            a_claim_brings_what_earlier_attempts_have_shown,
            the_job_of_a_dead_node_is_taken_over,
            a_live_lease_protects_its_jobs,
            a_suspended_job_is_claimed_at_its_retry_time,
            a_suspended_job_without_retry_time_is_not_claimed,
            a_canceling_job_is_claimed_to_be_undone,
            ordered_jobs_run_in_the_order_of_submission,
            an_ordered_job_waits_for_every_earlier_one_that_is_not_final,
            an_update_does_not_let_a_waiting_ordered_job_overtake,
            a_claim_without_a_live_lease_is_lease_lost,
            a_node_sees_its_claims_and_which_are_canceling,
            no_job_is_given_to_two_nodes,
        ]);
        $crate::conformance_family!($open, queue: [
            the_terms_of_a_job_read_back,
            the_higher_priority_is_claimed_first,
            what_has_begun_goes_on_before_anything_starts,
            a_submission_goes_before_lower_priorities_alone,
            a_delayed_job_is_not_claimed_before_its_moment,
            a_delayed_job_keeps_its_turn_on_its_target,
            a_job_of_a_host_is_claimed_there_alone,
            a_job_of_a_host_waits_for_a_node_there,
            a_held_waiting_job_is_not_claimed,
            a_held_job_keeps_its_turn_on_its_target,
            a_held_running_job_is_seen_by_its_holder,
            a_held_running_job_without_holder_is_suspended,
            the_next_holder_sees_that_a_job_is_to_be_suspended,
            a_body_that_is_to_be_dropped_is_seen_by_its_holder_alone,
            a_suspended_canceling_or_final_job_is_not_held,
            a_job_between_two_tries_that_is_held_is_not_tried_again,
            retries_are_counted_until_a_rerun,
            waiting_jobs_past_their_deadline_are_told,
            a_suspended_job_past_its_deadline_is_claimed,
            a_job_suspended_after_its_node_died_is_resumed_at_its_deadline,
            a_job_that_could_run_waits_for_a_slot,
            all_that_a_job_waits_for_is_told,
        ]);
        $crate::conformance_family!($open, limits: [
            limits_read_back_and_are_replaced,
            a_full_type_lets_others_pass,
            a_limit_counts_over_all_nodes,
            an_account_has_its_limit_over_all_types,
            each_account_has_its_own_limit_of_a_type,
            a_job_needs_room_in_each_of_its_limits,
            priorities_hold_among_what_has_room,
            long_lines_are_claimed_in_their_order,
            a_submission_waits_for_room_and_for_nobody_without,
            a_job_without_a_node_keeps_its_room,
            a_suspended_job_gives_its_room_away,
            undoing_needs_no_room,
            limits_are_in_force_from_the_next_claim_on,
            limits_hold_for_jobs_of_a_host_too,
            a_limit_counts_over_all_classes,
        ]);
        $crate::conformance_family!($open, sweep: [
            old_final_jobs_are_swept_with_all_that_is_theirs,
            a_job_that_was_changed_lately_is_kept,
            the_newest_final_jobs_are_kept,
            a_job_with_an_open_child_is_not_swept,
        ]);
        $crate::conformance_family!($open, lease: [
            a_lost_claim_cannot_finish_the_job,
            an_expired_lease_writes_nothing,
            an_older_token_of_the_same_node_writes_nothing,
            a_released_claim_writes_nothing,
            a_claim_on_an_unknown_job_is_lost,
            a_heartbeat_renews_the_lease,
            a_heartbeat_of_an_unknown_node_is_lease_lost,
            a_heartbeat_after_a_takeover_is_lease_lost,
            a_late_heartbeat_keeps_the_claims_that_nobody_took,
            a_store_that_was_away_takes_nobodys_jobs,
            after_the_grace_a_silent_node_loses_its_jobs,
            a_join_after_the_store_was_away_opens_the_grace,
            a_holder_may_write_before_its_first_heartbeat_after_an_absence,
            joining_alone_ends_every_former_lease_at_once,
            leaving_releases_what_is_claimed,
            a_job_names_its_last_node_while_that_lives,
            nodes_are_listed_newest_first,
        ]);
        $crate::conformance_family!($open, nodes: [
            a_restart_of_a_host_ends_its_own_former_leases_at_once,
            a_join_without_proof_ends_no_lease,
            a_restart_of_a_host_after_an_absence_opens_the_grace,
            a_node_reads_back_with_its_address_and_release,
            a_drained_node_is_given_nothing_and_keeps_what_it_holds,
            a_drained_nodes_released_job_goes_to_another,
            a_drain_outlives_its_node_until_it_is_ended,
            a_drained_node_without_lease_is_lease_lost,
            a_duty_is_one_nodes_until_its_lease_ends,
            of_many_nodes_at_once_one_gets_a_duty,
            what_nodes_tell_each_other_is_the_newest_word_of_the_living,
            what_is_kept_is_the_first_ever_after,
        ]);
        $crate::conformance_family!($open, joins: [
            a_join_that_comes_late_changes_nothing,
            a_join_that_came_unseen_is_ended_by_the_next_one_of_its_host,
            a_join_that_comes_twice_is_taken_once,
            joins_of_a_host_are_counted_for_ever,
            of_joins_at_once_that_saw_the_same_one_is_taken,
            who_joins_again_gets_its_jobs_anew_and_writes_nothing_by_its_claims_of_before,
        ]);
        $crate::conformance_family!($open, spread: [
            a_node_learns_whether_it_is_alone,
            what_others_hold_and_what_waits_is_told_by_class,
            what_cannot_be_claimed_anywhere_does_not_wait,
            no_more_waits_than_the_limits_have_room_for,
            who_cannot_be_counted_on_is_not_told,
            what_is_told_is_bounded,
            a_claim_leaves_to_others_what_is_not_its_share,
            a_share_changes_neither_limits_nor_the_order,
            the_job_types_that_others_know_are_told,
            what_waits_of_types_that_not_all_know_is_told_by_type,
            a_claim_passes_over_the_types_that_it_leaves_to_others,
            no_job_of_a_type_that_is_left_to_others_is_given_for_whatever_reason,
        ]);
        $crate::conformance_family!($open, apply: [
            success_ends_the_job_and_its_claim,
            execute_time_is_at_least_one_second,
            execute_time_counts_from_the_first_start,
            the_last_change_never_moves_back,
            a_transition_without_result_leaves_the_result,
            a_suspension_keeps_its_reason,
            a_failure_of_a_canceling_job_is_canceled,
            success_wins_over_a_cancel,
            a_canceling_job_that_suspends_stays_canceling_and_claimable,
            an_illegal_transition_changes_nothing,
            effects_happen_with_the_success,
            a_deleted_volume_that_moves_stays_deleted,
            effects_are_absent_without_success,
            an_effect_that_fails_undoes_everything,
            a_release_leaves_the_state_and_says_why,
        ]);
        $crate::conformance_family!($open, change: [
            canceling_a_waiting_job_ends_it,
            canceling_a_running_job_is_seen_by_its_holder,
            canceling_a_suspended_job_makes_it_claimable_for_undoing,
            canceling_an_orphaned_job_keeps_that_its_holder_is_gone,
            suspending_a_running_job_ends_its_claim,
            a_change_on_an_old_version_is_stale,
            of_many_changes_on_one_version_one_is_made,
            an_update_changes_name_and_description,
            a_rerun_keeps_timeline_and_attempts_and_clears_the_rest,
            tokens_only_grow_over_reruns,
            a_rerun_takes_a_new_place_in_the_order,
            a_rerun_may_be_claimed_in_the_same_commit,
            what_the_state_machine_refuses_is_illegal,
            changing_or_deleting_an_unknown_job_is_not_found,
            the_record_is_stored_with_the_change,
            a_deleted_job_frees_its_uuid,
            a_deleted_job_is_lost_to_its_holder,
        ]);
        $crate::conformance_family!($open, progress: [
            a_checkpoint_is_saved_page_by_page,
            progress_is_read_by_the_api_id,
            of_two_jobs_with_one_api_id_the_newest_answers,
            progress_never_goes_backwards,
            a_further_attempt_counts_on_from_what_was_reached,
            a_rerun_has_progress_of_its_own,
            a_lost_row_is_passed_over,
            history_has_a_row_per_percent_and_stage,
            history_is_thinned_by_half_when_it_is_full,
            history_is_kept_for_the_newest_attempts,
            the_timeline_is_numbered_without_a_gap,
            the_timeline_tells_the_time_of_the_store,
            a_page_of_the_timeline_begins_behind_a_row_and_the_last_one_is_short,
        ]);
        $crate::conformance_family!($open, records: [
            an_answer_reads_back_as_it_was_given,
            a_message_reads_back_with_the_moment_of_its_answer,
            a_record_id_is_used_once,
            finishing_an_unknown_record_is_not_found,
            unanswered_records_are_cut_at_a_restart,
            a_restart_of_one_host_cuts_its_own_records_alone,
            records_of_a_host_without_a_node_are_cut_by_any_other,
            an_answer_is_given_once,
            answered_records_are_swept_after_their_time,
        ]);
        $crate::conformance_family!($open, deliveries: [
            a_hook_is_stored_with_its_record_whatever_stores_that,
            a_refused_record_leaves_no_hook,
            an_answer_is_due_when_it_is_there,
            a_record_that_is_cut_is_told_too,
            a_taken_delivery_has_one_more_try_and_is_held,
            of_takers_at_once_one_gets_a_delivery,
            those_due_longest_are_taken_first_and_no_more_than_asked_for,
            a_failed_try_is_put_off,
            a_late_word_of_an_earlier_try_changes_nothing,
            what_was_told_is_told_no_more_and_its_record_stays,
            after_a_start_nothing_is_held_by_the_former_process,
            a_start_frees_nothing_that_another_host_holds,
            a_clock_set_back_holds_no_delivery,
            an_answer_still_to_be_told_is_not_swept,
        ]);
        $crate::conformance_family!($open, identity: [
            an_account_reads_back,
            an_account_name_or_uuid_is_used_once,
            an_account_update_changes_what_is_given,
            a_new_password_ends_all_sessions,
            an_account_with_open_jobs_or_volumes_is_not_deleted,
            a_deleted_account_leaves_its_jobs_to_nobody,
            sessions_are_limited_per_account,
            a_session_lives_until_its_end,
            a_deleted_session_is_gone,
            finished_jobs_do_not_hold_an_account,
            a_cap_shortens_live_sessions_that_last_longer,
        ]);
        $crate::conformance_family!($open, keys: [
            a_key_reads_back_by_both_of_its_ids,
            a_keys_uuid_and_access_id_are_used_once,
            keys_are_limited_per_account,
            a_key_needs_its_account,
            a_disabled_key_stays_and_is_enabled_again,
            a_deleted_key_is_gone_and_its_ids_are_free,
            with_an_account_go_its_keys,
            keys_are_queried_by_their_account,
        ]);
        $crate::conformance_family!($open, images: [
            a_backup_storage_of_every_kind_reads_back,
            a_directory_of_a_host_is_one_backup_storage,
            a_backup_storage_update_changes_what_is_given,
            a_backup_storage_in_use_is_not_deleted,
            an_image_reads_back_with_its_copies,
            an_image_lies_on_known_backup_storages_only,
            an_image_update_needs_the_seen_version,
            a_deleted_image_is_gone_with_its_copies,
            images_of_one_content_are_found_oldest_first,
            a_copy_moves_with_the_success_of_its_job,
            an_account_with_images_is_not_deleted,
            images_are_queried_by_their_copies,
            images_are_seen_by_their_owner,
            backup_storages_are_queried_by_kind,
        ]);
        $crate::conformance_family!($open, image_jobs: [
            an_image_comes_with_its_tags,
            an_image_without_its_tags_is_not_stored,
            an_image_is_ready_with_the_success_of_its_job,
            an_image_that_lost_a_copy_under_way_is_ready_with_the_rest,
            a_copy_of_a_deleted_image_refuses_the_success,
            another_jobs_image_refuses_the_success,
            an_image_under_way_is_removed_by_its_job_alone,
        ]);
        $crate::conformance_family!($open, resources: [
            a_storage_reads_back,
            a_storage_of_every_kind_reads_back,
            what_becomes_a_volume_leaves_the_trash,
            a_storage_url_is_used_once_per_host,
            a_storage_update_changes_what_is_given,
            a_storage_in_use_is_not_deleted,
            a_volume_path_is_used_once_per_storage,
            a_volume_is_written_by_who_saw_its_newest_record,
            a_volume_is_not_deleted_under_an_ordered_job,
            the_job_whose_turn_it_is_may_delete_its_volume,
            trash_is_numbered_and_listed_oldest_first,
            known_paths_are_those_that_something_points_at,
            intents_stay_until_they_are_settled,
            with_a_job_go_its_intents,
        ]);
        $crate::conformance_family!($open, query: [
            the_newest_comes_first,
            what_is_not_wanted_is_not_answered,
            an_answer_has_so_many_bytes_at_most,
            exact_text_compares_byte_by_byte,
            states_are_found_by_every_operator,
            texts_for_people_ignore_ascii_case,
            a_pattern_has_no_escape_character,
            null_is_met_by_is_null_alone,
            numbers_and_moments_compare_as_numbers,
            a_job_is_found_by_a_node_that_lives,
            a_tag_condition_asks_whether_there_is_such_a_tag,
            all_conditions_must_hold,
            terms_combine_conditions,
            an_account_sees_what_it_owns,
            counts_follow_every_change,
            every_field_sorts,
            a_page_behind_the_end_is_empty,
            a_list_may_have_a_thousand_values,
            a_changed_job_is_found_under_its_new_name,
            every_resource_is_queried_alike,
        ]);
        $crate::conformance_family!($open, tags: [
            a_tag_reads_back_with_the_dates_of_the_store,
            of_many_tags_all_are_put_on_or_none,
            a_resource_has_a_text_once_among_tags_of_a_kind,
            a_resource_that_is_not_there_takes_no_tag,
            a_changed_tag_is_found_under_its_new_text,
            a_deleted_tag_is_gone,
            tags_go_with_their_resource,
            tags_of_another_type_are_not_of_the_same_resource,
            a_resource_has_at_most_a_thousand_tags,
            a_tag_is_seen_by_who_owns_its_resource,
            tags_are_queried_by_every_field,
        ]);
        $crate::conformance_family!($open, configs: [
            a_value_replaces_the_one_before,
            cleared_values_are_gone,
        ]);
        $crate::conformance_family!($open, long_texts: [
            the_longest_tag_is_stored_once_and_found,
            the_longest_urls_and_paths_are_used_once,
            the_longest_names_are_found,
        ]);
        $crate::conformance_family!($open, races: [
            of_logins_at_once_no_more_than_the_limit_get_a_session,
            of_calls_at_once_no_more_than_the_limit_get_a_key,
            of_calls_at_once_one_gets_a_name,
            changes_of_an_account_at_once_are_all_kept,
            the_uuid_of_an_account_is_taken_while_it_is_deleted,
            a_deleted_account_leaves_no_session_and_no_key,
            an_account_is_deleted_or_gets_something,
            a_record_is_stored_cut_and_swept_once,
            a_delivery_is_taken_by_one_dispatcher,
            a_value_written_by_many_at_once_is_one_of_theirs,
        ]);
        $crate::conformance_family!($open, resource_races: [
            changes_of_a_storage_at_once_are_all_kept,
            a_storage_is_deleted_or_gets_a_volume,
            a_backup_storage_is_deleted_or_gets_an_image,
            a_record_is_written_by_one_of_those_who_saw_it,
            an_image_is_abandoned_or_ready,
            a_path_is_known_while_it_passes_from_the_ledger_to_a_volume,
        ]);
        $crate::conformance_family!($open, tag_races: [
            of_equal_tags_at_once_one_is_put_on,
            of_tags_at_once_no_more_than_fit_are_put_on,
            a_deleted_resource_leaves_no_tag,
        ]);
    };
}

/// The cases of one family. Used by `conformance_suite!`.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_family {
    ($open:ident, $family:ident: [$($case:ident,)*]) => {
        mod $family {
            $(
                #[test]
                fn $case() {
                    $crate::conformance::run(super::$open, $crate::conformance::$family::$case);
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_suite() {
        let suite = include_str!("mod.rs");
        for (family, source) in [
            ("submit", include_str!("submit.rs")),
            ("batches", include_str!("batches.rs")),
            ("claim", include_str!("claim.rs")),
            ("queue", include_str!("queue.rs")),
            ("limits", include_str!("limits.rs")),
            ("sweep", include_str!("sweep.rs")),
            ("lease", include_str!("lease.rs")),
            ("spread", include_str!("spread.rs")),
            ("apply", include_str!("apply.rs")),
            ("change", include_str!("change.rs")),
            ("progress", include_str!("progress.rs")),
            ("records", include_str!("records.rs")),
            ("deliveries", include_str!("deliveries.rs")),
            ("identity", include_str!("identity.rs")),
            ("image_jobs", include_str!("image_jobs.rs")),
            ("images", include_str!("images.rs")),
            ("keys", include_str!("keys.rs")),
            ("resources", include_str!("resources.rs")),
            ("query", include_str!("query.rs")),
            ("tags", include_str!("tags.rs")),
            ("configs", include_str!("configs.rs")),
            ("long_texts", include_str!("long_texts.rs")),
            ("races", include_str!("races.rs")),
            ("resource_races", include_str!("resource_races.rs")),
            ("tag_races", include_str!("tag_races.rs")),
        ] {
            let listed = suite.split(&format!("$open, {family}: [")).nth(1).and_then(|s| s.split(']').next());
            let listed: Vec<&str> = listed.into_iter().flat_map(|s| s.split(',')).map(str::trim).collect();
            let written = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
            for case in written.filter_map(|line| line.split('(').next()) {
                assert!(listed.contains(&case), "{family}::{case} is not run");
            }
        }
    }
}
