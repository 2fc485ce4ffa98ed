package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.contains;
import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.that;
import static longhaul.sdk.test.FakeServer.accepted;
import static longhaul.sdk.test.FakeServer.inTurn;
import static longhaul.sdk.test.FakeServer.ok;
import static longhaul.sdk.test.FakeServer.processing;
import static longhaul.sdk.test.Live.fails;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import longhaul.sdk.*;
import longhaul.sdk.test.FakeServer.Answer;

/** That every wait ends by a limit that its error names; and what is forgiven before. Short limits in real time. */
final class LimitTests {
    /** Far beyond the limits that are set here, far below the defaults. */
    private static final Duration SOON = Duration.ofSeconds(8);

    private LimitTests() {
    }

    static void run(Checks checks) {
        checks.test("at a port where nobody listens the call fails at once, and says where it tried", () -> {
            int port;
            try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                port = free.getLocalPort();
            }
            ClientConfig config = ClientConfig.builder().host("127.0.0.1").port(port).build();
            try (LonghaulClient client = new LonghaulClient(config)) {
                fails(soon(() -> client.call(new SubmitLongJobAction())),
                    ErrorCode.HTTP_ERROR, "cannot connect to 127.0.0.1:" + port);
                CompletableFuture<LogOutAction.Result> done = new CompletableFuture<>();
                LogOutAction logOut = new LogOutAction();
                logOut.sessionUuid = Live.uuid();
                client.call(logOut, done::complete);
                fails(done.get(8, TimeUnit.SECONDS), ErrorCode.HTTP_ERROR, "cannot connect");
            }
        });
        checks.test("a host without name is an error", () -> {
            try (LonghaulClient client = new LonghaulClient(
                     ClientConfig.builder().host("no-such-host.invalid").readTimeout(Duration.ofSeconds(5)).build())) {
                that(soon(() -> client.call(new SubmitLongJobAction())).error.code.startsWith("sdk.100"), "an error");
            }
        });
        checks.test("a server that says nothing, or stops in the middle, ends by readTimeout", () -> {
            for (Answer answer : new Answer[] {FakeServer.SILENCE, FakeServer.HALF}) {
                try (FakeServer server = new FakeServer(inTurn(answer));
                     LonghaulClient client = new LonghaulClient(
                         server.config().readTimeout(Duration.ofMillis(200)).build())) {
                    SubmitLongJobAction.Result result = soon(() -> client.call(new SubmitLongJobAction()));
                    fails(result, ErrorCode.TIMEOUT, "readTimeout=PT0.2S");
                    contains(result.apiId, result.error.details);
                    equal(1, server.asked.size());
                }
            }
        });
        checks.test("a connection that ends without an answer is an error, and nothing is sent twice", () -> {
            try (FakeServer server = new FakeServer(inTurn(FakeServer.BREAK));
                 LonghaulClient client = new LonghaulClient(server.config().build())) {
                fails(soon(() -> client.call(new SubmitLongJobAction())), ErrorCode.HTTP_ERROR, "failed");
                equal(1, server.asked.size());
            }
        });
        checks.test("a call that never ends at the server ends by pollingTimeout, or by the action's timeout", () -> {
            try (FakeServer server = new FakeServer(asked -> asked.isPoll() ? processing() : accepted());
                 LonghaulClient client = new LonghaulClient(
                     server.config().pollingTimeout(Duration.ofMillis(1500)).build())) {
                SubmitLongJobAction submit = new SubmitLongJobAction();
                SubmitLongJobAction.Result result = soon(() -> client.call(submit));
                fails(result, ErrorCode.TIMEOUT, "limit of PT1.5S");
                contains("/api-jobs/0123456789abcdef0123456789abcdef", result.error.details);
                submit.timeout = Duration.ofMillis(150);
                fails(soon(() -> client.call(submit)), ErrorCode.TIMEOUT, "limit of PT0.15S");
                CompletableFuture<SubmitLongJobAction.Result> done = new CompletableFuture<>();
                client.call(submit, done::complete);
                fails(done.get(8, TimeUnit.SECONDS), ErrorCode.TIMEOUT, "limit of PT0.15S");
                submit.timeout = Duration.ZERO;
                fails(client.call(submit), ErrorCode.CLIENT_ERROR, "timeout is PT0S");
            }
        });
        checks.test("the limit of a call ends a request that is under way", () -> {
            try (FakeServer server = new FakeServer(inTurn(FakeServer.SILENCE));
                 LonghaulClient client = new LonghaulClient(
                     server.config().pollingTimeout(Duration.ofMillis(200)).build())) {
                fails(soon(() -> client.call(new SubmitLongJobAction())), ErrorCode.TIMEOUT, "limit of PT0.2S");
            }
        });
        checks.test("polls that fail are forgiven while a server restarts, and again after one that did not", () -> {
            try (FakeServer server = new FakeServer(inTurn(accepted(), processing(), FakeServer.BREAK,
                     new Answer(502, "a proxy"), new Answer(503, "a proxy"), FakeServer.SILENCE, processing(),
                     new Answer(502, "a proxy"), new Answer(504, "a proxy"), ok("{\"inventory\":{\"uuid\":\"u\"}}")));
                 LonghaulClient client = new LonghaulClient(server.config()
                     .readTimeout(Duration.ofSeconds(2)).pollingRetries(4).build())) {
                equal("u", client.call(new SubmitLongJobAction()).orThrow().inventory.uuid);
            }
        });
        checks.test("more failures in a row than pollingRetries end the call, with the last one", () -> {
            try (FakeServer server = new FakeServer(inTurn(accepted(), new Answer(502, "a proxy")));
                 LonghaulClient client = new LonghaulClient(server.config().pollingRetries(3).build())) {
                SubmitLongJobAction.Result result = soon(() -> client.call(new SubmitLongJobAction()));
                fails(result, ErrorCode.HTTP_ERROR, "4 polls of ");
                contains("pollingRetries=3", result.error.details);
                contains("status 502", result.error.details);
                equal(4, server.polls().size());
            }
        });
        checks.test("an interrupt ends the wait and stays with the thread", () -> {
            CountDownLatch asked = new CountDownLatch(1);
            try (FakeServer server = new FakeServer(one -> {
                     asked.countDown();
                     return FakeServer.SILENCE;
                 });
                 LonghaulClient client = new LonghaulClient(server.config().build())) {
                CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
                CompletableFuture<SubmitLongJobAction.Result> result = new CompletableFuture<>();
                Thread waiting = new Thread(() -> {
                    result.complete(client.call(new SubmitLongJobAction()));
                    interrupted.complete(Thread.currentThread().isInterrupted());
                });
                waiting.start();
                that(asked.await(8, TimeUnit.SECONDS), "nothing was asked");
                waiting.interrupt();
                fails(result.get(8, TimeUnit.SECONDS), ErrorCode.CLIENT_ERROR, "interrupted");
                that(interrupted.get(8, TimeUnit.SECONDS), "the interrupt was lost");
            }
        });
        checks.test("a closed client refuses calls", () -> {
            LonghaulClient client = new LonghaulClient(ClientConfig.builder().build());
            client.close();
            client.close();
            fails(client.call(new SubmitLongJobAction()), ErrorCode.CLIENT_ERROR, "closed");
        });
        checks.test("a type that Gson cannot make is refused when the action is made", () -> {
            class Local {
            }
            contains("Local is declared in a method",
                Checks.thrown(IllegalArgumentException.class, () -> new Unreadable(Local.class)).getMessage());
        });
        checks.test("an action that fails to make its request is an error of the client", () -> {
            try (LonghaulClient client = new LonghaulClient(ClientConfig.builder().build())) {
                fails(client.call(new Broken()), ErrorCode.CLIENT_ERROR, "NullPointerException");
            }
        });
    }

    private static final class Broken extends Action<EmptyReply, Broken.Result> {
        Broken() {
            super(EmptyReply.class, Result::new);
        }

        @Override
        protected ApiRequest request() {
            throw new NullPointerException("of a test");
        }

        private static final class Result extends ActionResult<EmptyReply> {
        }
    }

    private static final class Unreadable extends Action<Object, Unreadable.Result> {
        @SuppressWarnings("unchecked")
        Unreadable(Class<?> type) {
            super((Class<Object>) type, Result::new);
        }

        @Override
        protected ApiRequest request() {
            return ApiRequest.get("/longjobs");
        }

        private static final class Result extends ActionResult<Object> {
        }
    }

    /** What the call answers, which must be soon. */
    private static <R> R soon(Supplier<R> call) {
        long begin = System.nanoTime();
        R result = call.get();
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        that(took.compareTo(SOON) < 0, "it took " + took);
        return result;
    }
}
