package longhaul.sdk;

import java.net.http.HttpClient;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Calls one server. Safe for any number of threads. Its own threads are daemons: a program that ends does not wait for
 * calls that it made with a {@link Completion}.
 */
public final class LonghaulClient implements AutoCloseable {
    /** Waits for answers of all clients, and runs completions; a thread that has nothing to do ends after a minute. */
    static final ExecutorService EXECUTOR = Executors.newCachedThreadPool(daemons("longhaul-sdk-"));
    /** Watches the limits of all clients; nothing that blocks runs there. */
    static final ScheduledThreadPoolExecutor TIMER = timer();

    /** Beyond a call's limit, in case that nothing else ended it. */
    private static final Duration BACKSTOP = Duration.ofSeconds(10);

    private static final Object DEFAULT_LOCK = new Object();
    private static LonghaulClient defaultClient;

    private final ClientConfig config;
    private final HttpClient http;
    private final Json json;
    private final WebHookReceiver hook;
    private volatile boolean closed;

    /**
     * Makes a client; it connects when it is called.
     *
     * @param config where the server is
     * @throws java.io.UncheckedIOException if it cannot listen for the configured web hook
     */
    public LonghaulClient(ClientConfig config) {
        this.config = config;
        json = new Json(config.serverZone());
        // HTTP/1.1: the upgrade to HTTP/2 that the JDK offers otherwise is nothing for plain connections.
        http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(config.readTimeout())
            .executor(EXECUTOR)
            .build();
        hook = config.webHook() == null ? null : new WebHookReceiver(config);
    }

    /**
     * The client of {@link Action#call()}: that of the last {@link #configure}, else one with the defaults.
     *
     * @return never null
     */
    public static LonghaulClient getDefault() {
        synchronized (DEFAULT_LOCK) {
            if (defaultClient == null) {
                defaultClient = new LonghaulClient(ClientConfig.builder().build());
            }
            return defaultClient;
        }
    }

    /**
     * Sets the client of {@link Action#call()}. Calls that run go on with the earlier one, which is closed.
     *
     * @param config where the server is
     * @throws java.io.UncheckedIOException if it cannot listen for the configured web hook, also because the earlier
     *     client holds its port and was not closed; nothing changed then
     */
    public static void configure(ClientConfig config) {
        synchronized (DEFAULT_LOCK) {
            LonghaulClient earlier = defaultClient;
            defaultClient = new LonghaulClient(config);
            if (earlier != null) {
                earlier.close();
            }
        }
    }

    /**
     * Calls an operation and waits for its result.
     *
     * @param <R> the action's result
     * @param action the operation with its parameters
     * @return value or error, within the action's limit; an interrupt ends the wait with
     *     {@link ErrorCode#CLIENT_ERROR}, keeps the thread's interrupted state, and does not stop the server
     */
    public <R extends ActionResult<?>> R call(Action<?, R> action) {
        return await(exchange(action));
    }

    /**
     * Calls an operation and returns at once.
     *
     * @param <R> the action's result
     * @param action the operation with its parameters
     * @param completion takes the result, within the action's limit, exactly once
     */
    public <R extends ActionResult<?>> void call(Action<?, R> action, Completion<? super R> completion) {
        exchange(action).begin().thenAccept(result -> EXECUTOR.execute(() -> completion.complete(result)));
    }

    /** Stops listening for web hooks and refuses further calls. Calls that run go on, by polling. */
    @Override
    public void close() {
        closed = true;
        if (hook != null) {
            hook.close();
        }
    }

    /**
     * What this client was made with.
     *
     * @return never null
     */
    public ClientConfig config() {
        return config;
    }

    HttpClient http() {
        return http;
    }

    Json json() {
        return json;
    }

    /** Null without a web hook. */
    WebHookReceiver hook() {
        return hook;
    }

    boolean isClosed() {
        return closed;
    }

    @SuppressWarnings("unchecked")
    private <R extends ActionResult<?>> Exchange<?, R> exchange(Action<?, R> action) {
        // What an action answers is what its result holds: the bound of Action, which a wildcard loses.
        return (Exchange<?, R>) new Exchange<>(this, (Action<Object, ActionResult<Object>>) (Action<?, ?>) action);
    }

    private static <R extends ActionResult<?>> R await(Exchange<?, R> exchange) {
        CompletableFuture<R> done = exchange.begin();
        try {
            return done.get(exchange.limit().plus(BACKSTOP).toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
            exchange.end(ErrorCode.client(
                "the waiting thread was interrupted; what the server had taken goes on there"));
        } catch (TimeoutException late) {
            exchange.end(ErrorCode.timeout("nothing ended the call, not even its limit: this program stood still"));
        } catch (ExecutionException defect) {
            throw new IllegalStateException("a call ends with a result, never like this", defect);
        }
        return done.join();
    }

    private static ScheduledThreadPoolExecutor timer() {
        ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1, daemons("longhaul-sdk-timer-"));
        // A call's limit is hours; what ended before must not be held so long.
        timer.setRemoveOnCancelPolicy(true);
        return timer;
    }

    static ThreadFactory daemons(String prefix) {
        AtomicInteger number = new AtomicInteger();
        return body -> {
            Thread thread = new Thread(body, prefix + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
    }
}
