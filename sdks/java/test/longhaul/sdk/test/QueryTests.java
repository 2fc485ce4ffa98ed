package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.that;
import static longhaul.sdk.test.Live.fails;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import longhaul.sdk.*;

/** Queries, and results by web hook, against the server. */
final class QueryTests {
    private QueryTests() {
    }

    static void run(Checks checks, Live live) {
        String name = "query-" + Live.uuid();
        TreeSet<String> all = new TreeSet<>();
        for (int number = 0; number < 7; number++) {
            SubmitLongJobAction submit = live.submit("{\"durationMs\":0}");
            submit.name = name + "-" + number;
            all.add(submit.call().orThrow().inventory.uuid);
        }
        String ours = "name~=" + name + "%";
        all.forEach(uuid -> live.await(uuid, LongJobState.Succeeded));

        checks.test("pages meet every job once, in their order", () -> {
            List<String> met = new ArrayList<>();
            for (int start = 0; start < 9; start += 3) {
                QueryLongJobAction page = live.query(ours);
                page.sortBy = "uuid";
                page.start = start;
                page.limit = 3;
                page.replyWithCount = true;
                QueryLongJobReply reply = page.call().orThrow();
                equal(7L, reply.total);
                reply.inventories.forEach(job -> met.add(job.uuid));
            }
            equal(List.copyOf(all), met);
        });
        checks.test("the direction turns the order around", () -> {
            QueryLongJobAction query = live.query(ours);
            query.sortBy = "uuid";
            query.sortDirection = "desc";
            query.limit = 1;
            equal(all.last(), query.call().orThrow().inventories.get(0).uuid);
            query.sortDirection = "asc";
            equal(all.first(), query.call().orThrow().inventories.get(0).uuid);
        });
        checks.test("a count is a total without jobs; without count there is no total", () -> {
            QueryLongJobAction query = live.query(ours);
            equal(null, query.call().orThrow().total);
            query.count = true;
            QueryLongJobReply reply = query.call().orThrow();
            equal(7L, reply.total);
            equal(List.of(), reply.inventories);
        });
        checks.test("conditions are all true of what is found", () -> {
            equal(7, live.query(ours, "state=Succeeded").call().orThrow().inventories.size());
            equal(0, live.query(ours, "state?=Failed,Running").call().orThrow().inventories.size());
            equal(1, live.query(ours, "name=" + name + "-3").call().orThrow().inventories.size());
            equal(6, live.query(ours, "name!=" + name + "-3").call().orThrow().inventories.size());
            equal(7, live.query(ours, "description is null").call().orThrow().inventories.size());
            equal(0, live.query(ours, "description not null").call().orThrow().inventories.size());
        });
        checks.test("values of conditions arrive letter by letter", () -> {
            String odd = "a+b & c%20=d?#/\\\"ü雪" + Live.uuid();
            SubmitLongJobAction submit = live.submit("{\"durationMs\":0}");
            submit.name = odd;
            String uuid = submit.call().orThrow().inventory.uuid;
            List<LongJobInventory> found = live.query("name=" + odd).call().orThrow().inventories;
            equal(1, found.size());
            equal(uuid, found.get(0).uuid);
        });
        checks.test("only the wanted fields are there", () -> {
            QueryLongJobAction query = live.query(ours);
            query.fields = List.of("uuid", "state");
            LongJobInventory job = query.call().orThrow().inventories.get(0);
            that(job.uuid != null && job.state == LongJobState.Succeeded, job);
            that(job.name == null && job.createDate == null, job);
        });
        checks.test("without conditions and lists every job is found", () -> {
            QueryLongJobAction query = new QueryLongJobAction();
            query.sessionId = live.session;
            query.fields = List.of();
            that(query.call().orThrow().inventories.size() > 7, "all jobs");
        });
        checks.test("an unknown field is refused by the server, a wrong direction before it is sent", () -> {
            fails(live.query("colour=red").call(), live.isFast() ? "SYS.1007" : "SYS.1000", "colour");
            QueryLongJobAction query = live.query();
            query.sortBy = "name";
            query.sortDirection = "up";
            fails(query.call(), ErrorCode.CLIENT_ERROR, "sortDirection is up: set asc or desc");
            query.sortBy = null;
            query.sortDirection = "asc";
            fails(query.call(), ErrorCode.CLIENT_ERROR, "without sortBy");
        });
        checks.test("a client with a web hook gets its results, of successes and of failures",
            () -> hooked(checks, live));
    }

    /** Whether the server uses the hook is its own affair, by its rules for outgoing calls: the result is the same. */
    private static void hooked(Checks checks, Live live) throws Exception {
        ClientConfig config = ClientConfig.builder()
            .webHook("http://127.0.0.1:0/hook")
            .webHookGrace(Duration.ofMillis(500))
            .build();
        try (LonghaulClient client = new LonghaulClient(config)) {
            SubmitLongJobAction.Result result = client.call(live.submit("{\"durationMs\":0}"));
            equal("job-of-a-test", result.orThrow().inventory.name);
            CompletableFuture<CancelLongJobAction.Result> failed = new CompletableFuture<>();
            client.call(live.cancel(Live.uuid()), failed::complete);
            fails(failed.get(30, TimeUnit.SECONDS), "SYS.1003", "not found");
            checks.note("in profile " + live.profile + " the success came by " + result.delivery
                + ", the failure by " + failed.join().delivery);
        }
    }
}
