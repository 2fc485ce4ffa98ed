package longhaul.sdk.test;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import longhaul.sdk.ClientConfig;

/** A server that answers as a script says, on a free port, and remembers what it was asked. */
final class FakeServer implements AutoCloseable {
    /** No answer comes. */
    static final Answer SILENCE = new Answer(-1, "");
    /** Status and headers come, and a part of the body, and no more. */
    static final Answer HALF = new Answer(-2, "{\"inv");
    /** The connection ends without an answer. */
    static final Answer BREAK = new Answer(-3, "");

    record Asked(String method, String target, Headers headers, String body) {
        boolean isPoll() {
            return target.contains("/v1/api-jobs/");
        }

        String apiId() {
            return headers.getFirst("X-Job-UUID");
        }
    }

    record Answer(int status, String body) {
    }

    interface Script {
        Answer answer(Asked asked) throws Exception;
    }

    /** Everything that was asked, in its order. */
    final List<Asked> asked = new CopyOnWriteArrayList<>();

    private final HttpServer server;
    private final ExecutorService executor = Executors.newCachedThreadPool();
    private final CountDownLatch closed = new CountDownLatch(1);
    private final Script script;

    FakeServer(Script script) throws IOException {
        this.script = script;
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(executor);
        server.createContext("/", this::handle);
        server.start();
    }

    /** Answers each request by the next answer, the last one for ever. */
    static Script inTurn(Answer... answers) {
        int[] next = {0};
        return asked -> {
            synchronized (next) {
                return answers[Math.min(next[0]++, answers.length - 1)];
            }
        };
    }

    static Answer ok(String body) {
        return new Answer(200, body);
    }

    /** 202 that names a poll at a server of another name, as one behind a proxy does. */
    static Answer accepted() {
        return new Answer(202, "{\"location\":\"http://10.9.8.7:8080/zstack/v1/api-jobs/"
            + "0123456789abcdef0123456789abcdef\",\"apiTimeout\":1800000}");
    }

    static Answer processing() {
        return new Answer(202, "{}");
    }

    int port() {
        return server.getAddress().getPort();
    }

    /** For clients of it, with short limits. */
    ClientConfig.Builder config() {
        return ClientConfig.builder().host("127.0.0.1").port(port())
            .pollingInterval(Duration.ofMillis(20)).pollingTimeout(Duration.ofSeconds(30));
    }

    List<Asked> polls() {
        return asked.stream().filter(Asked::isPoll).toList();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            Asked one = new Asked(exchange.getRequestMethod(), exchange.getRequestURI().toString(),
                exchange.getRequestHeaders(), body);
            asked.add(one);
            Answer answer = script.answer(one);
            byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
            if (answer == SILENCE) {
                closed.await();
            } else if (answer == HALF) {
                exchange.sendResponseHeaders(200, 1000);
                exchange.getResponseBody().write(bytes);
                exchange.getResponseBody().flush();
                closed.await();
            } else if (answer != BREAK) {
                exchange.sendResponseHeaders(answer.status(), bytes.length == 0 ? -1 : bytes.length);
                if (bytes.length > 0) {
                    exchange.getResponseBody().write(bytes);
                }
            }
        } catch (IOException | RuntimeException wrong) {
            throw wrong;
        } catch (Exception wrong) {
            throw new IOException(wrong);
        }
    }

    @Override
    public void close() {
        closed.countDown();
        server.stop(0);
        executor.shutdownNow();
    }
}
