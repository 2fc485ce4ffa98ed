package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.contains;
import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.matches;
import static longhaul.sdk.test.Checks.that;
import static longhaul.sdk.test.Live.fails;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import longhaul.sdk.*;

/** Sessions, and calls that nobody waits for, against the server. */
final class SessionTests {
    private SessionTests() {
    }

    static void run(Checks checks, Live live) {
        checks.test("a login answers a session that works until the logout", () -> {
            LogInByAccountAction logIn = Live.logIn();
            logIn.clientInfo = Map.of("clientIp", "127.0.0.1", "clientBrowser", "a test");
            LogInByAccountAction.Result result = logIn.call();
            SessionInventory session = result.orThrow().inventory;
            equal(Delivery.IMMEDIATE, result.delivery);
            matches("[0-9a-f]{32}", session.uuid);
            equal("36c27e8ff05c4780bf6d2fa65700f22e", session.accountUuid);
            that(session.expiredDate.isAfter(session.createDate), session.expiredDate);
            that(!session.toString().contains(session.uuid), "a secret in " + session);
            QueryLongJobAction query = live.query();
            query.sessionId = session.uuid;
            query.call().orThrow();
            LogOutAction logOut = new LogOutAction();
            logOut.sessionUuid = session.uuid;
            logOut.call().orThrow();
            fails(query.call(), "ID.1001", "");
            logOut.call().orThrow();
        });
        checks.test("a wrong password is ID.1000 with its details, though it is answered at once", () -> {
            LogInByAccountAction logIn = Live.logIn();
            logIn.password = LogInByAccountAction.hash("wrong");
            LogInByAccountAction.Result result = logIn.call();
            fails(result, "ID.1000", "wrong account name or password");
            equal(Delivery.IMMEDIATE, result.delivery);
            equal("Unable to authenticate a user", result.error.description);
        });
        checks.test("a login without password names the field", () -> {
            LogInByAccountAction logIn = Live.logIn();
            logIn.password = null;
            fails(logIn.call(), "SYS.1007", "field[password]");
        });
        checks.test("a session that nobody has is refused, for reading and for changing calls", () -> {
            QueryLongJobAction query = live.query();
            query.sessionId = Live.uuid();
            fails(query.call(), "ID.1001", "");
            SubmitLongJobAction submit = live.submit("{}");
            submit.sessionId = Live.uuid();
            fails(submit.call(), "ID.1001", "");
        });
        checks.test("a call without session is refused with what the server says", () -> {
            SubmitLongJobAction submit = live.submit("{}");
            submit.sessionId = null;
            // ZStack answers text here, which has no code.
            fails(submit.call(), live.isFast() ? "ID.1001" : ErrorCode.HTTP_ERROR, "missing header 'Authorization'");
        });
        checks.test("a session with a line break is refused here, and not shown", () -> {
            SubmitLongJobAction submit = live.submit("{}");
            submit.sessionId = "secret\r\nX-Other: 1";
            SubmitLongJobAction.Result result = submit.call();
            fails(result, ErrorCode.CLIENT_ERROR, "sessionId");
            that(!result.error.details.contains("secret"), result.error);
        });
        checks.test("a failed call throws its error where its value is demanded", () -> {
            ActionException thrown = Checks.thrown(ActionException.class,
                () -> live.cancel(Live.uuid()).call().orThrow());
            equal("SYS.1003", thrown.error().code);
            contains("SYS.1003: ", thrown.getMessage());
        });
        checks.test("each of 64 calls at once completes once, with its own result", () -> completions(live));
        checks.test("a completion may call and wait", () -> {
            CompletableFuture<String> name = new CompletableFuture<>();
            live.submit("{\"durationMs\":0}").call(result -> {
                LongJobInventory job = result.orThrow().inventory;
                name.complete(live.update(job.uuid, "from-a-completion", null).call().orThrow().inventory.name);
            });
            equal("from-a-completion", name.get(30, TimeUnit.SECONDS));
        });
        checks.test("what a completion throws goes to the handler of its thread", () -> {
            CountDownLatch caught = new CountDownLatch(1);
            Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
            Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> caught.countDown());
            try {
                live.query().call(result -> {
                    throw new IllegalStateException("of a test");
                });
                that(caught.await(30, TimeUnit.SECONDS), "nothing came");
            } finally {
                Thread.setDefaultUncaughtExceptionHandler(before);
            }
        });
    }

    private static void completions(Live live) throws InterruptedException {
        int calls = 64;
        CountDownLatch ended = new CountDownLatch(calls);
        ConcurrentLinkedQueue<String> names = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<String> codes = new ConcurrentLinkedQueue<>();
        for (int number = 0; number < calls; number++) {
            SubmitLongJobAction submit = live.submit("{\"durationMs\":0}");
            submit.name = "at-once-" + number;
            submit.jobName = number % 4 == 0 ? "APINoSuchMsg" : submit.jobName;
            submit.call(result -> {
                if (result.error == null) {
                    names.add(result.value.inventory.name);
                } else {
                    codes.add(result.error.code);
                }
                ended.countDown();
            });
        }
        that(ended.await(60, TimeUnit.SECONDS), ended.getCount() + " of them did not complete");
        equal(48, names.size());
        equal(48L, names.stream().distinct().count());
        equal(List.of("SYS.1007"), codes.stream().distinct().toList());
        equal(16, codes.size());
    }
}
