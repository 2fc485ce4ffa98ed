package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.contains;
import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.matches;
import static longhaul.sdk.test.Checks.that;
import static longhaul.sdk.test.Live.fails;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import longhaul.sdk.*;

/** Each operation on jobs against the server: that it works, and that each of its refusals comes as an ErrorCode. */
final class JobTests {
    private JobTests() {
    }

    static void run(Checks checks, Live live) {
        submissions(checks, live);
        changes(checks, live);
        progress(checks, live);
    }

    private static void submissions(Checks checks, Live live) {
        checks.test("a submitted job is what was sent, and its apiId is the call's", () -> {
            SubmitLongJobAction action = live.submit("{\"durationMs\":0}");
            action.description = "ümlaut, \"quotes\", <&> and 雪";
            action.resourceUuid = Live.uuid();
            action.targetResourceUuid = Live.uuid();
            SubmitLongJobAction.Result result = action.call();
            LongJobInventory job = result.orThrow().inventory;
            equal(action.description, job.description);
            equal(action.resourceUuid, job.uuid);
            equal(action.targetResourceUuid, job.targetResourceUuid);
            equal(action.jobData, job.jobData);
            equal(result.apiId, job.apiId);
            equal(Delivery.POLL, result.delivery);
            Duration age = Duration.between(job.createDate, Instant.now()).abs();
            that(age.toMinutes() < 5, "created " + age + " ago");
            LongJobInventory ended = live.await(job.uuid, LongJobState.Succeeded);
            that(ended.executeTime >= 1 && ended.managementNodeUuid.length() == 32, ended.executeTime);
        });
        checks.test("a submission without job name is refused by the server, which names the field", () -> {
            SubmitLongJobAction action = live.submit("{}");
            action.jobName = null;
            fails(action.call(), "SYS.1007", "field[jobName]");
        });
        checks.test("a submission of an unknown job type is refused", () -> {
            SubmitLongJobAction action = live.submit("{}");
            action.jobName = "APINoSuchMsg";
            fails(action.call(), "SYS.1007", "APINoSuchMsg is not an API");
        });
        checks.test("a resourceUuid that is taken is refused, and the job stays", () -> {
            SubmitLongJobAction action = live.submit("{\"durationMs\":0}");
            action.resourceUuid = live.succeeded().uuid;
            action.name = "another";
            fails(action.call(), "LONG_JOB.1100", "resourceUuid is already used");
            equal("job-of-a-test", live.job(action.resourceUuid).name);
        });
        checks.test("system tags arrive: a known one is attached, an unknown one refused", () -> {
            SubmitLongJobAction action = live.submit("{\"durationMs\":0}");
            String tag = "uploadImage::" + Live.uuid();
            action.systemTags = List.of(tag);
            action.userTags = List.of("of-a-test");
            String uuid = action.call().orThrow().inventory.uuid;
            List<LongJobInventory> tagged = live.query("__systemTag__=" + tag).call().orThrow().inventories;
            equal(1, tagged.size());
            equal(uuid, tagged.get(0).uuid);
            action.systemTags = List.of("noSuchTag::1");
            fails(action.call(), "SYS.1007", "no system tag matches");
        });
        checks.test("a job that fails is Failed, and its result says why", () -> {
            LongJobInventory job = live.submitted(
                "{\"durationMs\":0,\"outcome\":\"fail\",\"errorDetails\":\"as it was told\"}");
            contains("as it was told", live.await(job.uuid, LongJobState.Failed).jobResult);
        });
    }

    private static void changes(Checks checks, Live live) {
        checks.test("an update changes what it names and leaves the rest", () -> {
            String uuid = live.succeeded().uuid;
            live.update(uuid, "first", "description").call().orThrow();
            LongJobInventory job = live.update(uuid, "second", null).call().orThrow().inventory;
            equal("second", job.name);
            equal("description", job.description);
        });
        checks.test("an update of an unknown job and one with too long a name are refused", () -> {
            fails(live.update(Live.uuid(), "x", null).call(), "SYS.1003", "not found");
            fails(live.update(live.succeeded().uuid, "x".repeat(256), null).call(), "SYS.1007", "255");
        });
        checks.test("a canceled job stops; one that succeeded is not canceled", () -> {
            String uuid = live.running().uuid;
            that(live.cancel(uuid).call().orThrow() != null, "a value");
            live.await(uuid, LongJobState.Canceled);
            fails(live.cancel(live.succeeded().uuid).call(), "SYS.1007", "cannot cancel longjob that is succeeded");
        });
        checks.test("a job of a type that cannot be canceled goes on", () -> {
            SubmitLongJobAction action = live.submit("{\"durationMs\":3000}");
            action.jobName = "APISimulateRigidJobMsg";
            String uuid = action.call().orThrow().inventory.uuid;
            live.await(uuid, LongJobState.Running);
            fails(live.cancel(uuid).call(), "LONG_JOB.1003", "not supported");
            live.await(uuid, LongJobState.Succeeded);
        });
        checks.test("an interrupted job goes on when it is resumed; one that was not is not resumed", () -> {
            String uuid = live.submitted("{\"durationMs\":200,\"outcome\":\"interrupt\"}").uuid;
            live.await(uuid, LongJobState.Suspended);
            equal(uuid, live.resume(uuid).call().orThrow().inventory.uuid);
            live.await(uuid, LongJobState.Succeeded);
            fails(live.resume(uuid).call(), "SYS.1007", "can only resume longjob that is Suspended");
        });
        checks.test("a rerun is the same job with the call's apiId; a running job is not rerun", () -> {
            LongJobInventory first = live.succeeded();
            RerunLongJobAction.Result result = live.rerun(first.uuid).call();
            LongJobInventory again = result.orThrow().inventory;
            equal(first.uuid, again.uuid);
            equal(result.apiId, again.apiId);
            that(!again.apiId.equals(first.apiId), "a new apiId");
            live.await(first.uuid, LongJobState.Succeeded);
            String running = live.running().uuid;
            fails(live.rerun(running).call(), "SYS.1007", "rerun longjob only when");
            live.cancel(running).call().orThrow();
        });
        checks.test("a job that does not stop is cleaned; one that runs is not", () -> {
            String uuid = live.submitted(
                "{\"durationMs\":600000,\"onCancel\":\"slow\",\"cancelDelayMs\":600000}").uuid;
            live.await(uuid, LongJobState.Running);
            fails(live.clean(uuid).call(), "LONG_JOB.1003", "not supported or state is not Canceling");
            live.cancel(uuid).call().orThrow();
            live.await(uuid, LongJobState.Canceling);
            live.clean(uuid).call().orThrow();
            live.await(uuid, LongJobState.Canceled);
        });
        checks.test("a final job is deleted, an unknown one counts as deleted, others are refused", () -> {
            String uuid = live.succeeded().uuid;
            live.delete(uuid).call().orThrow();
            equal(List.of(), live.query("uuid=" + uuid).call().orThrow().inventories);
            live.delete(Live.uuid()).call().orThrow();
            fails(live.delete("no/uuid?").call(), "SYS.1003", "invalid value[no/uuid?]");
            String running = live.running().uuid;
            fails(live.delete(running).call(), "SYS.1007", "delete longjob only when");
            live.cancel(running).call().orThrow();
        });
        checks.test("a field that is a part of the path is asked for before anything is sent", () -> {
            for (ActionResult<?> result : List.of(live.delete(null).call(), live.cancel("").call(),
                    live.rerun(null).call(), live.resume(null).call(), live.clean(null).call(),
                    live.update(null, "x", null).call())) {
                fails(result, ErrorCode.CLIENT_ERROR, "set the field uuid");
                equal(Delivery.LOCAL, result.delivery);
                equal(null, result.apiId);
            }
            fails(live.progress(null).call(), ErrorCode.CLIENT_ERROR, "set the field apiId");
            fails(new LogOutAction().call(), ErrorCode.CLIENT_ERROR, "set the field sessionUuid");
        });
    }

    private static void progress(Checks checks, Live live) {
        checks.test("progress is the newest report, or all of them", () -> {
            LongJobInventory job = live.submitted("{\"durationMs\":1600,\"progressSteps\":8}");
            live.await(job.uuid, LongJobState.Succeeded);
            List<TaskProgressInventory> newest = live.progress(job.apiId).call().orThrow().inventories;
            equal(1, newest.size());
            equal(100, newest.get(0).percent().getAsInt());
            equal("Progress", newest.get(0).type);
            matches("[0-9a-f]{32}", newest.get(0).taskUuid);
            Duration age = Duration.between(Instant.ofEpochMilli(newest.get(0).time), Instant.now()).abs();
            that(age.toMinutes() < 5, "reported " + age + " ago");
            GetTaskProgressAction all = live.progress(job.apiId);
            all.all = true;
            // The server keeps one report a second.
            List<TaskProgressInventory> reports = all.call().orThrow().inventories;
            that(reports.size() > 1, reports);
            List<Integer> percents = reports.stream().map(report -> report.percent().getAsInt()).toList();
            equal(percents.stream().sorted().toList(), percents);
            equal(100, percents.get(percents.size() - 1));
        });
        checks.test("there is no progress of an unknown id, and what is no id is refused", () -> {
            equal(List.of(), live.progress(Live.uuid()).call().orThrow().inventories);
            fails(live.progress("short").call(), "SYS.1007", "parameter apiId[short] is not a valid uuid");
        });
    }
}
