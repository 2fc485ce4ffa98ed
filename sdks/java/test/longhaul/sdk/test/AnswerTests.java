package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.contains;
import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.that;
import static longhaul.sdk.test.FakeServer.accepted;
import static longhaul.sdk.test.FakeServer.inTurn;
import static longhaul.sdk.test.FakeServer.ok;
import static longhaul.sdk.test.FakeServer.processing;
import static longhaul.sdk.test.Live.fails;

import java.time.Instant;
import java.time.ZoneId;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import longhaul.sdk.*;
import longhaul.sdk.test.FakeServer.Answer;
import longhaul.sdk.test.FakeServer.Script;

/** What is made of each kind of answer, also of those that no good server gives. */
final class AnswerTests {
    private static final String ERROR = "{\"error\":{\"code\":\"SYS.1006\",\"description\":\"An operation failed\","
        + "\"details\":\"outer\",\"cause\":{\"code\":\"SYS.1016\",\"description\":\"d\",\"details\":\"inner\"},"
        + "\"opaque\":{\"k\":[1]},\"unknown\":1}}";

    private AnswerTests() {
    }

    static SubmitLongJobAction.Result call(Script script) throws Exception {
        try (FakeServer server = new FakeServer(script);
             LonghaulClient client = new LonghaulClient(server.config().build())) {
            return client.call(new SubmitLongJobAction());
        }
    }

    static void run(Checks checks) {
        polls(checks);
        errors(checks);
        values(checks);
    }

    private static void polls(Checks checks) {
        checks.test("a result that is answered at once is the result, with a completion too", () -> {
            SubmitLongJobAction.Result result = call(inTurn(ok("{\"inventory\":{\"uuid\":\"u\"}}")));
            equal("u", result.orThrow().inventory.uuid);
            equal(Delivery.IMMEDIATE, result.delivery);
            try (FakeServer server = new FakeServer(inTurn(ok("{\"inventory\":{\"uuid\":\"u\"}}")));
                 LonghaulClient client = new LonghaulClient(server.config().build())) {
                CompletableFuture<SubmitLongJobAction.Result> done = new CompletableFuture<>();
                client.call(new SubmitLongJobAction(), done::complete);
                equal("u", done.get(30, TimeUnit.SECONDS).orThrow().inventory.uuid);
            }
        });
        checks.test("a result behind a 202 is asked for at the configured server, without the session", () -> {
            try (FakeServer server = new FakeServer(
                     inTurn(accepted(), processing(), processing(), ok("{\"inventory\":{\"uuid\":\"u\"}}")));
                 LonghaulClient client = new LonghaulClient(server.config().build())) {
                SubmitLongJobAction submit = new SubmitLongJobAction();
                submit.sessionId = "secret";
                SubmitLongJobAction.Result result = client.call(submit);
                equal("u", result.orThrow().inventory.uuid);
                equal(Delivery.POLL, result.delivery);
                equal(3, server.polls().size());
                server.polls().forEach(poll -> {
                    equal("/zstack/v1/api-jobs/0123456789abcdef0123456789abcdef", poll.target());
                    equal(null, poll.headers().getFirst("Authorization"));
                });
            }
        });
        checks.test("a location without the path of results, or none, is an error that shows it", () -> {
            fails(call(inTurn(new Answer(202, "{\"location\":\"http://elsewhere/x\"}"))),
                ErrorCode.HTTP_ERROR, "http://elsewhere/x");
            fails(call(inTurn(new Answer(202, "{\"location\":\"/v1/api-jobs/a/../b\"}"))),
                ErrorCode.HTTP_ERROR, "a/../b");
            fails(call(inTurn(new Answer(202, "{}"))), ErrorCode.HTTP_ERROR, "location");
            fails(call(inTurn(new Answer(202, "soon"))), ErrorCode.HTTP_ERROR, "location");
        });
        checks.test("a result that is no longer kept is an error with the server's words", () ->
            fails(call(inTurn(accepted(), new Answer(404, "the job has been expired"))),
                ErrorCode.HTTP_ERROR, "the job has been expired"));
    }

    private static void errors(Checks checks) {
        checks.test("an error is the server's ErrorCode with its cause, whatever the status and the way", () -> {
            for (int status : new int[] {200, 400, 401, 404, 409, 500, 503}) {
                SubmitLongJobAction.Result result = call(inTurn(new Answer(status, ERROR)));
                fails(result, "SYS.1006", "outer");
                equal(Delivery.IMMEDIATE, result.delivery);
            }
            SubmitLongJobAction.Result result = call(inTurn(accepted(), processing(), new Answer(503, ERROR)));
            fails(result, "SYS.1006", "outer");
            equal(Delivery.POLL, result.delivery);
            equal("inner", result.error.cause.details);
            equal("SYS.1016", result.error.rootCause().code);
            that(result.error.opaque.containsKey("k"), result.error.opaque);
            equal(null, result.error.elaboration);
            equal("SYS.1006: outer (caused by SYS.1016: inner)", result.error.toString());
        });
        checks.test("text, a redirect, nothing and JSON of another shape are errors that show it", () -> {
            fails(call(inTurn(new Answer(400, "missing header 'Authorization'"))),
                ErrorCode.HTTP_ERROR, "status 400");
            fails(call(inTurn(new Answer(400, "missing header 'Authorization'"))),
                ErrorCode.HTTP_ERROR, "missing header 'Authorization'");
            fails(call(inTurn(new Answer(302, ""))), ErrorCode.HTTP_ERROR, "status 302");
            fails(call(inTurn(new Answer(204, ""))), ErrorCode.HTTP_ERROR, "status 204");
            fails(call(inTurn(ok("<html>"))), ErrorCode.HTTP_ERROR, "<html>");
            fails(call(inTurn(ok("[1]"))), ErrorCode.HTTP_ERROR, "[1]");
            fails(call(inTurn(new Answer(418, "{\"inventory\":{}}"))), ErrorCode.HTTP_ERROR, "status 418");
            String long_ = call(inTurn(new Answer(500, "x".repeat(100_000)))).error.details;
            that(long_.length() < 1000, long_.length());
        });
        checks.test("nesting without end is an error", () -> {
            String deep = "{\"error\":" + "{\"cause\":".repeat(200_000) + "{}" + "}".repeat(200_001);
            that(call(inTurn(ok(deep))).error.code.startsWith("sdk."), "an error of the client");
        });
    }

    private static void values(Checks checks) {
        checks.test("both forms of moments are the same moment, in whatever zone the server writes", () -> {
            Instant moment = Instant.parse("2017-11-14T14:20:57Z");
            for (String text : new String[] {"2017-11-14T22:20:57+08:00", "2017-11-14T14:20:57Z",
                "2017-11-14T14:20:57.000+00:00", "Nov 14, 2017 10:20:57 PM", "Nov 14, 2017, 10:20:57 PM",
                "Nov 14, 2017 10:20:57\u202fPM"}) {
                equal(moment, createDate('"' + text + '"').orThrow().inventory.createDate);
            }
            equal(Instant.parse("2017-11-03T17:05:09Z"),
                createDate("\"Nov 4, 2017 1:05:09 AM\"").orThrow().inventory.createDate);
            equal(null, createDate("null").orThrow().inventory.createDate);
        });
        checks.test("what is no moment is an error that says which forms there are", () -> {
            fails(createDate("\"2017-11-14 22:20:57\""), ErrorCode.HTTP_ERROR, "Nov 14, 2017 10:20:57 PM");
            fails(createDate("1510669257123"), ErrorCode.HTTP_ERROR, "$.inventory.createDate");
        });
        checks.test("a member of another type is an error, not an exception", () ->
            fails(call(inTurn(ok("{\"inventory\":[]}"))), ErrorCode.HTTP_ERROR, "BEGIN_ARRAY"));
        checks.test("every state is known by its name, and an unknown one is null", () -> {
            for (LongJobState state : LongJobState.values()) {
                equal(state, call(inTurn(ok("{\"inventory\":{\"state\":\"" + state + "\"}}"))).value.inventory.state);
                equal(state.name().matches("Succeeded|Canceled|Failed"), state.isFinal());
            }
            equal("[Waiting, Suspended, Running, Succeeded, Canceling, Canceled, Failed]",
                Arrays.toString(LongJobState.values()));
            equal(null, call(inTurn(ok("{\"inventory\":{\"state\":\"Dreaming\"}}"))).value.inventory.state);
        });
        checks.test("a percentage is read from progress, and a message has none", () -> {
            equal(42, percent("42"));
            equal(42, percent("42.9"));
            equal(100, percent("999"));
            equal(-1, percent("copying"));
            equal(-1, percent(""));
            equal(-1, new TaskProgressInventory().percent().orElse(-1));
        });
        checks.test("an answer is UTF-8 and may be large", () -> {
            String name = "ü雪😀".repeat(500_000);
            equal(name, call(inTurn(ok("{\"inventory\":{\"name\":\"" + name + "\"}}"))).orThrow().inventory.name);
        });
        checks.test("an answer beyond answerMaxBytes is an error that names the limit, also at a poll", () -> {
            // Several buffers of the HTTP client, each of them below the limit.
            Answer most = ok("{\"a\":\"" + "x".repeat(100_000 - 8) + "\"}");
            Answer more = ok("{\"a\":\"" + "x".repeat(100_000 - 7) + "\"}");
            for (Script script : new Script[] {inTurn(more), inTurn(accepted(), more)}) {
                SubmitLongJobAction.Result result = limited(script);
                fails(result, ErrorCode.HTTP_ERROR, "answerMaxBytes=100000");
            }
            equal(null, limited(inTurn(most)).error);
            equal(null, limited(inTurn(accepted(), most)).error);
        });
    }

    private static SubmitLongJobAction.Result limited(Script script) throws Exception {
        try (FakeServer server = new FakeServer(script);
             LonghaulClient client = new LonghaulClient(server.config().answerMaxBytes(100_000).build())) {
            SubmitLongJobAction.Result result = client.call(new SubmitLongJobAction());
            that(server.asked.size() <= 2, "it asked again");
            return result;
        }
    }

    private static int percent(String content) {
        TaskProgressInventory progress = new TaskProgressInventory();
        progress.content = content;
        return progress.percent().orElse(-1);
    }

    private static SubmitLongJobAction.Result createDate(String json) throws Exception {
        try (FakeServer server = new FakeServer(inTurn(ok("{\"inventory\":{\"createDate\":" + json + "}}")));
             LonghaulClient client = new LonghaulClient(
                 server.config().serverZone(ZoneId.of("Asia/Shanghai")).build())) {
            return client.call(new SubmitLongJobAction());
        }
    }
}
