//! A test per reason: its name, its numbers, and that its sentence says what to do.

use jiff::tz::TimeZone;
use longhaul_model::explain::{HeldBy, OnCancel, OnRestart};
use longhaul_model::{AccountId, HostId, JobId, JobState, NodeId};

use super::*;
use crate::profile::Profile;

fn of(reason: &Reason) -> ExplainedReason {
    ExplainedReason::of(reason, &TimeFormat::new(Profile::Fast, TimeZone::UTC))
}

/// The reason's name, and that its sentence says all of this.
fn says(reason: &Reason, name: &str, parts: &[&str]) -> ExplainedReason {
    let told = of(reason);
    assert_eq!(serde_json::to_value(told.reason).ok(), Some(name.into()));
    for part in parts {
        assert!(told.sentence.contains(part), "{part}: {}", told.sentence);
    }
    told
}

fn work() -> Work {
    Work {
        attempt: 3,
        node: Some(NodeId::v4(7)),
        host_name: Some("host-1".to_owned()),
        since_ms: 1_510_698_057_000,
        saved_ago_ms: Some(4_200),
    }
}

const SINCE: &str = "2017-11-14T22:20:57+00:00";

#[test]
fn a_held_job_says_how_it_goes_on() {
    says(&Reason::Held, "held", &["resumeLongJob"]);
}

#[test]
fn a_job_whose_moment_has_not_come_says_when_it_does() {
    let told = says(&Reason::NotBefore(1_510_698_057_000), "notBefore", &[SINCE, "cancel it and submit"]);
    assert_eq!(told.until.as_deref(), Some(SINCE));
}

#[test]
fn a_job_behind_others_names_the_first_of_them_and_its_state() {
    let first = JobId::v4(5);
    let behind = |ahead| Reason::Behind { first, state: JobState::Suspended, ahead };
    let told = says(&behind(1), "behind", &[&first.to_string(), "Suspended", "cancel it"]);
    assert_eq!((told.job_uuid, told.ahead), (Some(first.to_string()), Some(1)));
    assert!(!told.sentence.contains("behind that"), "{}", told.sentence);
    says(&behind(3), "behind", &["2 jobs behind that"]);
    says(&behind(AHEAD_MAX), "behind", &["1000 or more jobs behind that"]);
}

#[test]
fn a_limit_says_what_it_counts_and_its_numbers() {
    let account = AccountId::v4(9);
    let of = |of| Reason::Limit { of, running: 3, most: 3 };
    let told = says(&of(LimitOf::Type("A".to_owned())), "limit", &["3 jobs of the type A", "raised"]);
    assert_eq!((told.running, told.most), (Some(3), Some(3)));
    says(&of(LimitOf::Account(account)), "limit", &[&format!("account {account}")]);
    says(&of(LimitOf::TypeOfAccount("A".to_owned(), account)), "limit", &["type A of the account"]);
}

#[test]
fn a_host_that_is_away_is_named_and_a_drain_is_told() {
    let host = HostId::v4(4);
    says(&Reason::HostAway(host), "hostAway", &[&host.to_string(), "start one there"]);
    says(&Reason::NoNode, "noNode", &["start one"]);
    says(&Reason::Drained, "drained", &["undrainManagementNode"]);
}

#[test]
fn a_job_that_waits_for_a_slot_says_how_many_go_before_it_and_the_setting() {
    let slot = |class, ahead| Reason::Slot { class, ahead, free: false, bound: false };
    let told = says(&slot(SlotClass::BuiltIn, 2), "slot", &["2 jobs go before it", "engine.maxRunning "]);
    assert_eq!(told.ahead, Some(2));
    says(&slot(SlotClass::Simulator, 0), "slot", &["it is the next", "engine.maxRunningSimulator"]);
    says(&slot(SlotClass::Parent, AHEAD_MAX), "slot", &["1000 or more jobs"]);
}

#[test]
fn a_job_that_a_slot_is_free_for_is_told_to_be_left_to_who_runs_least() {
    let bound = Reason::Slot { class: SlotClass::BuiltIn, ahead: 1, free: false, bound: true };
    says(&bound, "slot", &["1 job goes before it", "of the host on which", "those of others do not help"]);
    let free = Reason::Slot { class: SlotClass::Simulator, ahead: 2, free: true, bound: false };
    let told = says(&free, "slot", &["a slot is free", "2 jobs go before it", "half a second", "runs least"]);
    assert!(!told.sentence.contains("engine.maxRunning"), "{}", told.sentence);
}

#[test]
fn a_job_between_two_attempts_says_that_it_goes_on_by_itself() {
    says(&Reason::BetweenAttempts { attempt: 2 }, "betweenAttempts", &["attempt 2", "by itself"]);
}

#[test]
fn a_job_that_works_says_where_since_when_and_what_is_saved() {
    let told = says(&Reason::Works(work()), "works", &["attempt 3", "host-1", SINCE, "4 s ago"]);
    assert_eq!(told.management_node_uuid, Some(NodeId::v4(7).to_string()));
    let bare = Work { host_name: None, saved_ago_ms: None, ..work() };
    assert_eq!(of(&Reason::Works(bare)).sentence, format!("attempt 3 works since {SINCE}"));
    let stalled = |copies| Reason::Stalled { work: work(), copies };
    says(
        &stalled(true),
        "stalled",
        &["nothing has moved", "whether its storages answer", "the log of its node"],
    );
    let told = says(&stalled(false), "stalled", &["nothing has moved", "look at the log of its node"]);
    assert!(!told.sentence.contains("storage") && !told.sentence.contains("cancel"), "{}", told.sentence);
}

#[test]
fn a_job_whose_node_is_silent_or_drained_says_who_goes_on_and_when() {
    let heard_ms = 1_510_698_057_000;
    let host_name = Some("host-1".to_owned());
    let silent = Reason::NodeSilent {
        node: Some(NodeId::v4(7)),
        host_name,
        heard_ms: Some(heard_ms),
        taken_ms: Some(heard_ms + 4000),
    };
    let until = "2017-11-14T22:21:01+00:00";
    let told = says(&silent, "nodeSilent", &["host-1", SINCE, "maybe nobody works on it", until]);
    assert_eq!((told.since.as_deref(), told.until.as_deref()), (Some(SINCE), Some(until)));
    assert_eq!(told.management_node_uuid, Some(NodeId::v4(7).to_string()));
    let gone = Reason::NodeSilent { node: None, host_name: None, heard_ms: None, taken_ms: Some(heard_ms) };
    says(&gone, "nodeSilent", &["its node is gone", SINCE]);
    let left = Reason::NodeSilent { node: None, host_name: None, heard_ms: None, taken_ms: None };
    let told = says(&left, "nodeSilent", &["maybe nobody works on it"]);
    assert!(told.until.is_none() && !told.sentence.contains("takes it over"), "{}", told.sentence);
    says(&Reason::NodeDrained { moves: true }, "nodeDrained", &["not drained goes on with it", "a second"]);
    says(&Reason::NodeDrained { moves: false }, "nodeDrained", &["to its end there"]);
}

#[test]
fn a_copy_that_is_held_back_says_by_what() {
    let of_ssd = || HeldBy::Storage("the budget of storage ssd, shared by 2 copies".to_owned());
    let held = |bytes_per_s, by, moves, left_s| Reason::HeldBack { bytes_per_s, by, moves, left_s };
    let told = says(
        &held(0, of_ssd(), 0, None),
        "heldBack",
        &["paused by the budget of storage ssd", "[storage.NAME]"],
    );
    assert_eq!((told.limit_bytes_per_second, told.rate_bytes_per_second), (Some(0), None));
    let parts = [
        "held to 1 KiB/s by the budget of storage ssd, shared by 2 copies, moves 1000 B/s and has about 2 min 5 s left;",
    ];
    let told = says(&held(1024, of_ssd(), 1000, Some(125)), "heldBack", &parts);
    assert_eq!((told.limit_bytes_per_second, told.rate_bytes_per_second), (Some(1024), Some(1000)));
    assert_eq!(told.eta_seconds, Some(125));
    let own = held(1024, HeldBy::OwnRate, 0, Some(90_061));
    says(&own, "heldBack", &["by its own rate and has about 1 d 1 h left at that; throttleLongJob"]);
    says(&held(1024, HeldBy::DefaultRate, 0, None), "heldBack", &["by copy.bytesPerSecond; throttleLongJob"]);
    for (rate, told) in [(1023, " 1023 B/s"), (2 << 20, " 2 MiB/s"), (3 << 29, " 1.5 GiB/s")] {
        says(&held(rate, HeldBy::OwnRate, 0, None), "heldBack", &[told]);
    }
}

#[test]
fn a_suspended_job_says_by_whom_and_how_it_goes_on() {
    let fault = || "the disk went away".to_owned();
    says(&Reason::Suspending, "suspending", &["checkpoint", "resumeLongJob"]);
    says(&Reason::SuspendedByUser, "suspendedByUser", &["resumeLongJob", "cancelLongJob"]);
    let retried = Reason::Retried { fault: fault(), at_ms: 1_510_698_057_000 };
    let told = says(&retried, "retried", &["by itself", SINCE, "the disk went away"]);
    assert_eq!(told.until.as_deref(), Some(SINCE));
    says(&Reason::Interrupted { fault: fault() }, "interrupted", &["mend that", "the disk went away"]);
    says(
        &Reason::StorageAway { fault: fault() },
        "storageAway",
        &["goes on by itself", "the disk went away"],
    );
    let full = "524288000 bytes are needed and 1000 are free".to_owned();
    says(&Reason::StorageFull { fault: full }, "storageFull", &["trash", "524288000 bytes", "1000 are free"]);
}

#[test]
fn a_canceled_job_says_what_is_undone_and_until_when() {
    let since_ms = 1_510_698_057_000;
    let undoing = Reason::Undoing { node: None, since_ms, enforced_ms: since_ms + 600_000 };
    let told = says(&undoing, "undoing", &["2017-11-14T22:30:57"]);
    assert_eq!(told.since.as_deref(), Some(SINCE));
    says(&Reason::UndoWaits { since_ms }, "undoWaits", &["next free node"]);
}

#[test]
fn a_job_that_has_ended_says_how_it_runs_afresh() {
    says(&Reason::Succeeded, "succeeded", &["jobResult"]);
    let failed = |fault: &str, retried, retries| Reason::Failed { fault: fault.to_owned(), retried, retries };
    says(&failed("no space", 0, 0), "failed", &["has failed; mend that, then rerunLongJob", "no space"]);
    says(&failed("no space", 3, 3), "failed", &["its 3 retries are used up"]);
    says(&failed("no space", 1, 3), "failed", &["after 1 of its 3 retries"]);
    says(&Reason::Canceled, "canceled", &["rerunLongJob"]);
    assert!(of(&failed("", 0, 0)).sentence.ends_with("afresh"));
}

#[test]
fn what_a_cancel_would_do_is_told_for_every_case() {
    for (on_cancel, told) in [
        (OnCancel::EndsAtOnce, "ends it at once"),
        (OnCancel::Undoes { within_s: 600 }, "within 600 s"),
        (OnCancel::RefusedByBody { fault: "not now".to_owned() }, "not now"),
        (OnCancel::NotSupported, "cannot be canceled"),
        (OnCancel::UnderWay, "changes nothing"),
        (OnCancel::Ended, "it has ended"),
    ] {
        assert!(cancel(&on_cancel).contains(told), "{told}");
    }
}

#[test]
fn what_a_restart_and_a_loss_would_do_is_told_for_every_case() {
    for (on_restart, state, asked, lost) in [
        (OnRestart::Stays, JobState::Waiting, "keeps its place", "keeps its place"),
        (OnRestart::Stays, JobState::Failed, "it has ended", "it has ended"),
        (OnRestart::GoesOn, JobState::Running, "saves a checkpoint", "within about 5 s"),
        (OnRestart::BeginsAnew, JobState::Running, "begins anew", "begins anew"),
        (OnRestart::Fails, JobState::Running, "it fails: rerun it", "it fails: rerun it"),
        (OnRestart::UndoGoesOn, JobState::Canceling, "goes on with it", "goes on with the undoing"),
    ] {
        assert!(restart(on_restart, state, false).contains(asked), "{asked}");
        assert!(loss(on_restart, state, false, 4).contains(lost), "{lost}");
    }
}

#[test]
fn of_a_job_that_one_host_alone_can_run_no_other_node_is_told_to_take_it() {
    for (on_restart, state) in [
        (OnRestart::GoesOn, JobState::Running),
        (OnRestart::BeginsAnew, JobState::Running),
        (OnRestart::UndoGoesOn, JobState::Canceling),
    ] {
        for told in [restart(on_restart, state, true).to_owned(), loss(on_restart, state, true, 4)] {
            assert!(told.contains("a node of its host") && !told.contains("any node"), "{told}");
            assert!(!told.contains("within about"), "{told}");
        }
    }
}
