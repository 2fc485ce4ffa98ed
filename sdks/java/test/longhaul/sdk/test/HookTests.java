package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.contains;
import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.matches;
import static longhaul.sdk.test.Checks.thrown;
import static longhaul.sdk.test.FakeServer.accepted;
import static longhaul.sdk.test.FakeServer.ok;
import static longhaul.sdk.test.FakeServer.processing;
import static longhaul.sdk.test.Live.fails;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import longhaul.sdk.*;
import longhaul.sdk.test.FakeServer.Asked;

/** Results by web hook, told by a server that uses it as ZStack does: and what happens when it does not. */
final class HookTests {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Duration NEVER = Duration.ofMinutes(5);

    private HookTests() {
    }

    /** Tells the client of a result, with the headers that are given; answers the status. */
    private static int tell(Asked call, String method, String body, String... headers) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(call.headers().getFirst("X-Web-Hook")))
            .method(method, BodyPublishers.ofString(body))
            .header("Content-Type", "application/json; charset=utf-8");
        if (headers.length > 0) {
            request.headers(headers);
        }
        return HTTP.send(request.build(), BodyHandlers.discarding()).statusCode();
    }

    private static int tell(Asked call, boolean success, String body) throws Exception {
        return tell(call, "POST", body, "X-Job-UUID", call.apiId(), "X-Job-Success", String.valueOf(success));
    }

    private static LonghaulClient client(FakeServer server, Duration grace) {
        return new LonghaulClient(server.config().webHook("http://127.0.0.1:0/a/hook").webHookGrace(grace).build());
    }

    /** Answers 202, then tells by the hook, on another thread, and completes with the status of that. */
    private static FakeServer telling(boolean success, String body, CompletableFuture<Integer> status)
            throws IOException {
        return new FakeServer(asked -> {
            Thread teller = new Thread(() -> {
                try {
                    status.complete(tell(asked, success, body));
                } catch (Exception wrong) {
                    status.completeExceptionally(wrong);
                }
            });
            teller.start();
            return accepted();
        });
    }

    static void run(Checks checks) {
        checks.test("a result comes by the web hook, without any poll", () -> {
            CompletableFuture<Integer> status = new CompletableFuture<>();
            try (FakeServer server = telling(true, "{\"inventory\":{\"uuid\":\"u\"}}", status);
                 LonghaulClient client = client(server, NEVER)) {
                SubmitLongJobAction.Result result = client.call(new SubmitLongJobAction());
                equal("u", result.orThrow().inventory.uuid);
                equal(Delivery.WEB_HOOK, result.delivery);
                equal(200, status.get(8, TimeUnit.SECONDS));
                equal(0, server.polls().size());
                matches("http://127\\.0\\.0\\.1:[1-9][0-9]*/a/hook",
                    server.asked.get(0).headers().getFirst("X-Web-Hook"));
            }
        });
        checks.test("a failure comes by the web hook as the server's ErrorCode, to a completion too", () -> {
            CompletableFuture<Integer> status = new CompletableFuture<>();
            try (FakeServer server = telling(false, "{\"error\":{\"code\":\"SYS.1007\",\"details\":\"d\"}}", status);
                 LonghaulClient client = client(server, NEVER)) {
                CompletableFuture<SubmitLongJobAction.Result> done = new CompletableFuture<>();
                client.call(new SubmitLongJobAction(), done::complete);
                fails(done.get(8, TimeUnit.SECONDS), "SYS.1007", "d");
                equal(Delivery.WEB_HOOK, done.join().delivery);
            }
        });
        checks.test("a hook that comes before the 202 counts", () -> {
            try (FakeServer server = new FakeServer(asked -> {
                     equal(200, tell(asked, true, "{}"));
                     return accepted();
                 });
                 LonghaulClient client = client(server, NEVER)) {
                equal(Delivery.WEB_HOOK, client.call(new SubmitLongJobAction()).delivery);
            }
        });
        checks.test("a silent hook is replaced by polls after its grace", () -> {
            try (FakeServer server = new FakeServer(FakeServer.inTurn(accepted(), processing(), ok("{}")));
                 LonghaulClient client = client(server, Duration.ofMillis(100))) {
                SubmitLongJobAction.Result result = client.call(new SubmitLongJobAction());
                result.orThrow();
                equal(Delivery.POLL, result.delivery);
            }
        });
        checks.test("a result that is answered at once needs no hook", () -> {
            try (FakeServer server = new FakeServer(FakeServer.inTurn(ok("{}")));
                 LonghaulClient client = client(server, NEVER)) {
                equal(Delivery.IMMEDIATE, client.call(new SubmitLongJobAction()).delivery);
            }
        });
        checks.test("what is no result of a call that runs is refused, and ends nothing", () -> {
            CompletableFuture<Asked> call = new CompletableFuture<>();
            try (FakeServer server = new FakeServer(asked -> {
                     call.complete(asked);
                     return accepted();
                 });
                 LonghaulClient client = new LonghaulClient(server.config()
                     .webHook("http://127.0.0.1:0").webHookGrace(NEVER).answerMaxBytes(1024).build())) {
                CompletableFuture<SubmitLongJobAction.Result> done = new CompletableFuture<>();
                client.call(new SubmitLongJobAction(), done::complete);
                Asked asked = call.get(8, TimeUnit.SECONDS);
                equal(405, tell(asked, "PUT", "{}", "X-Job-UUID", asked.apiId(), "X-Job-Success", "true"));
                equal(400, tell(asked, "POST", "{}", "X-Job-Success", "true"));
                equal(400, tell(asked, "POST", "{}", "X-Job-UUID", asked.apiId()));
                equal(400, tell(asked, "POST", "{}", "X-Job-UUID", asked.apiId(), "X-Job-Success", "perhaps"));
                equal(404, tell(asked, "POST", "{}", "X-Job-UUID", Live.uuid(), "X-Job-Success", "true"));
                equal(400, tell(asked, true, "no JSON"));
                equal(413, tell(asked, true, " ".repeat(1025)));
                equal(false, done.isDone());
                equal(200, tell(asked, true, "{}"));
                equal(Delivery.WEB_HOOK, done.get(8, TimeUnit.SECONDS).delivery);
                equal(404, tell(asked, true, "{}"));
            }
        });
        checks.test("a client that was closed listens no more, and its calls end by polls", () -> {
            CompletableFuture<Asked> call = new CompletableFuture<>();
            FakeServer.Script inTurn = FakeServer.inTurn(accepted(), ok("{}"));
            try (FakeServer server = new FakeServer(asked -> {
                     call.complete(asked);
                     return inTurn.answer(asked);
                 })) {
                LonghaulClient client = client(server, Duration.ofMillis(500));
                CompletableFuture<SubmitLongJobAction.Result> done = new CompletableFuture<>();
                client.call(new SubmitLongJobAction(), done::complete);
                Asked asked = call.get(8, TimeUnit.SECONDS);
                client.close();
                thrown(ConnectException.class, () -> tell(asked, true, "{}"));
                equal(Delivery.POLL, done.get(8, TimeUnit.SECONDS).delivery);
            }
        });
        checks.test("a hook's address that is taken is refused when the client is made, with what to do", () -> {
            try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                ClientConfig config = ClientConfig.builder().webHook("http://192.0.2.1:7070/")
                    .webHookListen(new InetSocketAddress(InetAddress.getLoopbackAddress(), taken.getLocalPort()))
                    .build();
                String message = thrown(UncheckedIOException.class, () -> new LonghaulClient(config)).getMessage();
                contains("choose a free port", message);
                LonghaulClient before = LonghaulClient.getDefault();
                thrown(UncheckedIOException.class, () -> LonghaulClient.configure(config));
                equal(before, LonghaulClient.getDefault());
            }
        });
    }
}
