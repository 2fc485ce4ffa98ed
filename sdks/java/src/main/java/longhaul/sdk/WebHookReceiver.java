package longhaul.sdk;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Listens for the server's calls that tell of results. It knows who waits for which call, and takes nothing for
 * others; a call's random id is what a sender must know. A slow or hostile sender can at most keep it busy: calls then
 * end by polls.
 */
final class WebHookReceiver implements AutoCloseable {
    /** Senders that are served at a time. */
    private static final int THREADS = 4;

    private final HttpServer server;
    private final ExecutorService executor =
        Executors.newFixedThreadPool(THREADS, LonghaulClient.daemons("longhaul-sdk-hook-"));
    private final URI url;
    private final int maxBytes;
    private final Duration readLimit;
    /** By the id of the call. It holds what is being called, and each call has its limit. */
    private final Map<String, Waiter> waiting = new ConcurrentHashMap<>();

    /** Takes what the server tells: whether the call succeeded, and the same body that a poll would have. */
    interface Waiter {
        /** False if the body is none. */
        boolean told(boolean success, String body);
    }

    WebHookReceiver(ClientConfig config) {
        URI wanted = config.webHook();
        InetSocketAddress address = config.webHookListen() != null
            ? config.webHookListen() : new InetSocketAddress(wanted.getHost(), wanted.getPort());
        maxBytes = config.answerMaxBytes();
        readLimit = config.readTimeout();
        try {
            server = HttpServer.create(address, 0);
        } catch (IOException unable) {
            executor.shutdown();
            throw new UncheckedIOException("cannot listen for web hooks at " + address + " (" + unable.getMessage()
                + "); choose a free port of this machine, or say where to listen by webHookListen", unable);
        }
        int port = wanted.getPort() == 0 ? server.getAddress().getPort() : wanted.getPort();
        String path = wanted.getRawPath().isEmpty() ? "/" : wanted.getRawPath();
        url = URI.create("http://" + wanted.getHost() + ":" + port + path);
        server.createContext(path, this::handle);
        server.setExecutor(executor);
        server.start();
    }

    /** What the server is to call. */
    URI url() {
        return url;
    }

    void expect(String apiId, Waiter waiter) {
        waiting.put(apiId, waiter);
    }

    void forget(String apiId) {
        waiting.remove(apiId);
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdown();
    }

    private void handle(HttpExchange told) throws IOException {
        Future<?> watch = LonghaulClient.TIMER.schedule(told::close, readLimit.toMillis(), TimeUnit.MILLISECONDS);
        try (told) {
            told.sendResponseHeaders(take(told), -1);
        } finally {
            watch.cancel(false);
        }
    }

    /** The status to answer; 2xx only if somebody waited, so that the server does not repeat itself. */
    private int take(HttpExchange told) throws IOException {
        if (!told.getRequestMethod().equals("POST")) {
            return 405;
        }
        String apiId = told.getRequestHeaders().getFirst("X-Job-UUID");
        String success = told.getRequestHeaders().getFirst("X-Job-Success");
        if (apiId == null || !"true".equals(success) && !"false".equals(success)) {
            return 400;
        }
        Waiter waiter = waiting.get(apiId);
        if (waiter == null) {
            return 404;
        }
        byte[] body = told.getRequestBody().readNBytes(maxBytes + 1);
        if (body.length > maxBytes) {
            return 413;
        }
        return waiter.told(success.equals("true"), new String(body, StandardCharsets.UTF_8)) ? 200 : 400;
    }
}
