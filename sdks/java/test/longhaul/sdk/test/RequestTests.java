package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.matches;
import static longhaul.sdk.test.Checks.that;

import com.google.gson.JsonParser;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import longhaul.sdk.*;
import longhaul.sdk.test.FakeServer.Asked;

/** What goes over the wire: method, path, body, headers of each operation, as a server sees them. */
final class RequestTests {
    private static final String UUID = "0123456789ab4def8123456789abcdef";

    private RequestTests() {
    }

    static void run(Checks checks) {
        checks.test("each operation has its method, path and body", () -> {
            SubmitLongJobAction submit = new SubmitLongJobAction();
            submit.jobName = "J";
            submit.jobData = "{\"a\":\"<b>\"}";
            submit.tagUuids = List.of("t");
            submit.systemTags = List.of("s::1");
            submit.userTags = List.of();
            sends(submit, "POST /zstack/v1/longjobs",
                "{'systemTags':['s::1'],'params':{'jobName':'J','jobData':'{\\'a\\':\\'<b>\\'}','tagUuids':['t']}}");
            DeleteLongJobAction delete = new DeleteLongJobAction();
            delete.uuid = UUID;
            sends(delete, "DELETE /zstack/v1/longjobs/" + UUID, "");
            delete.systemTags = List.of("a::b", "c d");
            delete.userTags = List.of("u");
            sends(delete, "DELETE /zstack/v1/longjobs/" + UUID
                + "?systemTags=a%3A%3Ab&systemTags=c%20d&userTags=u", "");
            UpdateLongJobAction update = new UpdateLongJobAction();
            update.uuid = UUID;
            update.name = "";
            sends(update, "PUT /zstack/v1/longjobs/" + UUID + "/actions", "{'updateLongJob':{'name':''}}");
            CancelLongJobAction cancel = new CancelLongJobAction();
            cancel.uuid = UUID;
            sends(cancel, "PUT /zstack/v1/longjobs/" + UUID + "/actions", "{'cancelLongJob':{}}");
            RerunLongJobAction rerun = new RerunLongJobAction();
            rerun.uuid = UUID;
            sends(rerun, "PUT /zstack/v1/longjobs/" + UUID + "/actions", "{'rerunLongJob':{}}");
            ResumeLongJobAction resume = new ResumeLongJobAction();
            resume.uuid = UUID;
            sends(resume, "PUT /zstack/v1/longjobs/" + UUID + "/actions", "{'resumeLongJob':{}}");
            CleanLongJobAction clean = new CleanLongJobAction();
            clean.uuid = UUID;
            sends(clean, "PUT /zstack/v1/longjobs/" + UUID + "/actions", "{'cleanLongJob':{}}");
            GetTaskProgressAction progress = new GetTaskProgressAction();
            progress.apiId = UUID;
            progress.all = true;
            progress.userTags = List.of("not sent");
            sends(progress, "GET /zstack/v1/task-progresses/" + UUID + "?all=true", "");
            LogInByAccountAction logIn = new LogInByAccountAction();
            logIn.accountName = "admin";
            logIn.password = "p";
            logIn.clientInfo = Map.of("clientIp", "::1");
            sends(logIn, "PUT /zstack/v1/accounts/login",
                "{'logInByAccount':{'accountName':'admin','password':'p','clientInfo':{'clientIp':'::1'}}}");
            LogOutAction logOut = new LogOutAction();
            logOut.sessionUuid = UUID;
            logOut.clientInfo = Map.of("clientIp", "::1");
            sends(logOut, "DELETE /zstack/v1/accounts/sessions/" + UUID + "?clientInfo.clientIp=%3A%3A1", "");
            QueryLongJobAction query = new QueryLongJobAction();
            query.conditions = List.of("name~=%a b%", "state?=Running,Failed");
            query.limit = 2;
            query.start = 1;
            query.count = false;
            query.replyWithCount = true;
            query.sortBy = "name";
            query.fields = List.of("uuid", "name");
            query.filterName = "f:c";
            sends(query, "GET /zstack/v1/longjobs?q=name~%3D%25a%20b%25&q=state%3F%3DRunning%2CFailed&limit=2&start=1"
                + "&count=false&replyWithCount=true&sort=%2Bname&fields=uuid%2Cname&filterName=f%3Ac", "");
            query = new QueryLongJobAction();
            query.sortBy = "name";
            query.sortDirection = "desc";
            sends(query, "GET /zstack/v1/longjobs?sort=-name", "");
            query = new QueryLongJobAction();
            sends(query, "GET /zstack/v1/longjobs", "");
        });
        checks.test("each request has an id of its own, the session, and a type where it has a body", () -> {
            try (FakeServer server = new FakeServer(asked -> FakeServer.ok("{}"));
                 LonghaulClient client = new LonghaulClient(server.config().build())) {
                UpdateLongJobAction update = new UpdateLongJobAction();
                update.uuid = UUID;
                update.sessionId = "the-session";
                UpdateLongJobAction.Result result = client.call(update);
                client.call(update);
                update.sessionId = null;
                client.call(update);
                Asked first = server.asked.get(0);
                matches("[0-9a-f]{32}", first.apiId());
                equal(result.apiId, first.apiId());
                equal(3L, server.asked.stream().map(Asked::apiId).distinct().count());
                equal("OAuth the-session", first.headers().getFirst("Authorization"));
                equal(null, server.asked.get(2).headers().getFirst("Authorization"));
                equal("application/json;charset=utf-8", first.headers().getFirst("Content-Type"));
                equal(null, first.headers().getFirst("X-Web-Hook"));
                equal(null, first.headers().getFirst("Upgrade"));
            }
        });
        checks.test("a server without context path is called without", () -> {
            try (FakeServer server = new FakeServer(FakeServer.inTurn(FakeServer.accepted(), FakeServer.ok("{}")));
                 LonghaulClient client = new LonghaulClient(server.config().contextPath("").build())) {
                client.call(new SubmitLongJobAction()).orThrow();
                equal("/v1/longjobs", server.asked.get(0).target());
                equal("/v1/api-jobs/0123456789abcdef0123456789abcdef", server.asked.get(1).target());
            }
        });
        checks.test("a uuid cannot lead to another path", () -> {
            DeleteLongJobAction delete = new DeleteLongJobAction();
            delete.uuid = "../accounts?x=1#y";
            sends(delete, "DELETE /zstack/v1/longjobs/..%2Faccounts%3Fx%3D1%23y", "");
        });
        checks.test("settings outside of their bounds are refused, each by its name", RequestTests::bounds);
    }

    private static void bounds() {
        Map<String, Checks.Body> wrong = Map.ofEntries(
            Map.entry("host", () -> ClientConfig.builder().host("http://x")),
            Map.entry("port", () -> ClientConfig.builder().port(0)),
            Map.entry("contextPath", () -> ClientConfig.builder().contextPath("a?b")),
            Map.entry("pollingInterval", () -> ClientConfig.builder().pollingInterval(Duration.ZERO)),
            Map.entry("pollingTimeout", () -> ClientConfig.builder().pollingTimeout(Duration.ofDays(366))),
            Map.entry("readTimeout", () -> ClientConfig.builder().readTimeout(null)),
            Map.entry("pollingRetries", () -> ClientConfig.builder().pollingRetries(-1)),
            Map.entry("webHook", () -> ClientConfig.builder().webHook("https://x:1/")),
            Map.entry("webHookGrace", () -> ClientConfig.builder().webHookGrace(Duration.ofNanos(1))),
            Map.entry("answerMaxBytes", () -> ClientConfig.builder().answerMaxBytes(1)));
        wrong.forEach((name, body) -> {
            String message = Checks.thrown(IllegalArgumentException.class, body).getMessage();
            that(message.startsWith(name + " is ") && message.contains("give "), message);
        });
        equal("/a/b", ClientConfig.builder().contextPath("a/b/").build().contextPath());
    }

    /** That the action sends this; a quote stands for a double quote. */
    private static void sends(Action<?, ?> action, String line, String body) throws Exception {
        try (FakeServer server = new FakeServer(asked -> FakeServer.ok("{}"));
             LonghaulClient client = new LonghaulClient(server.config().build())) {
            that(client.call(action).error == null, "no error");
            Asked asked = server.asked.get(0);
            equal(line, asked.method() + " " + asked.target());
            String expected = body.replace("\\'", "\\\"").replace('\'', '"');
            equal(JsonParser.parseString(expected), JsonParser.parseString(asked.body()));
        }
    }
}
