package longhaul.sdk.test;

import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.Predicate;
import longhaul.sdk.*;

/** The demo server as the tests of actions see it: a session of its admin, jobs in a wanted state. */
final class Live {
    /** How long a test waits for a job. */
    static final Duration JOB_LIMIT = Duration.ofSeconds(60);

    final String profile;
    final String session;

    Live(String profile) {
        this.profile = profile;
        session = logIn().call().orThrow().inventory.uuid;
    }

    boolean isFast() {
        return profile.equals("fast");
    }

    static LogInByAccountAction logIn() {
        LogInByAccountAction action = new LogInByAccountAction();
        action.accountName = "admin";
        action.password = LogInByAccountAction.hash("password");
        return action;
    }

    static String uuid() {
        return UUID.randomUUID().toString().replace("-", "");
    }

    SubmitLongJobAction submit(String jobData) {
        SubmitLongJobAction action = new SubmitLongJobAction();
        action.name = "job-of-a-test";
        action.jobName = "APISimulateJobMsg";
        action.jobData = jobData;
        action.sessionId = session;
        return action;
    }

    LongJobInventory submitted(String jobData) {
        return submit(jobData).call().orThrow().inventory;
    }

    /** A job that runs so long that no test sees its end. */
    LongJobInventory running() {
        LongJobInventory job = submitted("{\"durationMs\":600000,\"progressSteps\":600}");
        return await(job.uuid, LongJobState.Running);
    }

    LongJobInventory succeeded() {
        return await(submitted("{\"durationMs\":0}").uuid, LongJobState.Succeeded);
    }

    QueryLongJobAction query(String... conditions) {
        QueryLongJobAction action = new QueryLongJobAction();
        action.conditions = List.of(conditions);
        action.sessionId = session;
        return action;
    }

    LongJobInventory job(String uuid) {
        List<LongJobInventory> found = query("uuid=" + uuid).call().orThrow().inventories;
        Checks.equal(1, found.size());
        return found.get(0);
    }

    LongJobInventory await(String uuid, LongJobState state) {
        return await(uuid, job -> job.state == state, "becomes " + state);
    }

    /** Asks for the job until it is as wanted. Real time: the server's jobs take it. */
    LongJobInventory await(String uuid, Predicate<LongJobInventory> wanted, String what) {
        long end = System.nanoTime() + JOB_LIMIT.toNanos();
        LongJobInventory job = job(uuid);
        while (!wanted.test(job)) {
            Checks.that(System.nanoTime() < end, "the job never " + what + ": " + job + " " + job.jobResult);
            job = job(uuid);
        }
        return job;
    }

    CancelLongJobAction cancel(String uuid) {
        CancelLongJobAction action = new CancelLongJobAction();
        action.uuid = uuid;
        action.sessionId = session;
        return action;
    }

    RerunLongJobAction rerun(String uuid) {
        RerunLongJobAction action = new RerunLongJobAction();
        action.uuid = uuid;
        action.sessionId = session;
        return action;
    }

    ResumeLongJobAction resume(String uuid) {
        ResumeLongJobAction action = new ResumeLongJobAction();
        action.uuid = uuid;
        action.sessionId = session;
        return action;
    }

    CleanLongJobAction clean(String uuid) {
        CleanLongJobAction action = new CleanLongJobAction();
        action.uuid = uuid;
        action.sessionId = session;
        return action;
    }

    DeleteLongJobAction delete(String uuid) {
        DeleteLongJobAction action = new DeleteLongJobAction();
        action.uuid = uuid;
        action.sessionId = session;
        return action;
    }

    UpdateLongJobAction update(String uuid, String name, String description) {
        UpdateLongJobAction action = new UpdateLongJobAction();
        action.uuid = uuid;
        action.name = name;
        action.description = description;
        action.sessionId = session;
        return action;
    }

    GetTaskProgressAction progress(String apiId) {
        GetTaskProgressAction action = new GetTaskProgressAction();
        action.apiId = apiId;
        action.sessionId = session;
        return action;
    }

    /** That the call failed with that code, and with that in its details. */
    static void fails(ActionResult<?> result, String code, String details) {
        Checks.that(result.error != null, "the call succeeded");
        Checks.equal(code, result.error.code);
        Checks.contains(details, result.error.details);
        Checks.equal(null, result.value);
    }
}
