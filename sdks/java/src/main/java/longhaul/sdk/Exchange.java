package longhaul.sdk;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * One call from its request to its result: sends, follows a 202 by polls or by the web hook, and ends at its limit at
 * the latest. No step blocks; whichever way ends first is the result, and the others are given up.
 */
final class Exchange<V, R extends ActionResult<V>> {
    /** The first poll comes so early, the next ones after twice the time each, up to the configured interval. */
    private static final Duration FIRST_POLL = Duration.ofMillis(50);
    /** How much of an answer that is no JSON is shown in an error, characters. */
    private static final int SHOWN_MAX = 300;
    /** What a poll's path must have. */
    private static final String POLL_PATH = "/v1/api-jobs/";

    private final LonghaulClient client;
    private final ClientConfig config;
    private final Action<V, R> action;
    private final Duration limit;
    private final String apiId = UUID.randomUUID().toString().replace("-", "");
    private final CompletableFuture<R> done = new CompletableFuture<>();
    /** What is under way: a request, or the wait for the next poll. */
    private final AtomicReference<Future<?>> underWay = new AtomicReference<>();
    private volatile boolean sent;
    private volatile URI poll;
    private Duration wait;
    private int failedPolls;

    Exchange(LonghaulClient client, Action<V, R> action) {
        this.client = client;
        this.config = client.config();
        this.action = action;
        limit = action.timeout == null ? config.pollingTimeout() : action.timeout;
        wait = client.hook() == null ? FIRST_POLL : config.pollingInterval();
    }

    Duration limit() {
        return ClientConfig.isTime(limit) ? limit : ClientConfig.LONGEST;
    }

    /** Sends the request. What is answered always completes, with a value or an error, never exceptionally. */
    CompletableFuture<R> begin() {
        guarded(() -> {
            HttpRequest request;
            try {
                request = request();
            } catch (IllegalArgumentException wrong) {
                end(ErrorCode.client(wrong.getMessage()));
                return;
            }
            Future<?> deadline =
                LonghaulClient.TIMER.schedule(this::endAtLimit, limit.toMillis(), TimeUnit.MILLISECONDS);
            WebHookReceiver hook = client.hook();
            if (hook != null) {
                hook.expect(apiId, this::hooked);
            }
            done.whenComplete((result, never) -> {
                deadline.cancel(false);
                if (hook != null) {
                    hook.forget(apiId);
                }
                Future<?> last = underWay.getAndSet(null);
                if (last != null) {
                    last.cancel(true);
                }
            });
            sent = true;
            send(request, this::answered);
        });
        return done;
    }

    /** Ends the call here; without effect if it has ended. */
    void end(ErrorCode error) {
        complete(null, error, Delivery.LOCAL);
    }

    private void endAtLimit() {
        String hint = poll == null ? "" : "; its result will be at " + poll;
        end(ErrorCode.timeout("the call did not end within its limit of " + limit + " (the action's timeout, else"
            + " pollingTimeout); what the server has taken goes on there" + hint));
    }

    private HttpRequest request() {
        if (client.isClosed()) {
            throw new IllegalArgumentException("this client is closed; make another one");
        }
        if (!ClientConfig.isTime(limit)) {
            throw new IllegalArgumentException("the action's timeout is " + limit + ": give 1 ms to 365 days");
        }
        String session = action.sessionId;
        if (session != null && !session.chars().allMatch(c -> c > ' ' && c < 127)) {
            throw new IllegalArgumentException("sessionId has spaces or other characters that no session has");
        }
        ApiRequest asked = action.request();
        asked.addTags("systemTags", action.systemTags);
        asked.addTags("userTags", action.userTags);
        JsonObject body = asked.body();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(config.base() + asked.target()))
            .method(asked.method(), body == null
                ? BodyPublishers.noBody() : BodyPublishers.ofString(client.json().text(body)))
            .header("Accept", "application/json")
            .header("X-Job-UUID", apiId);
        if (body != null) {
            request.header("Content-Type", "application/json;charset=utf-8");
        }
        if (session != null) {
            request.header("Authorization", "OAuth " + session);
        }
        if (client.hook() != null) {
            request.header("X-Web-Hook", client.hook().url().toString());
        }
        return request.build();
    }

    private void answered(HttpResponse<String> answer, Throwable failure) {
        if (failure != null) {
            end(unreachable(failure));
        } else if (answer.statusCode() == 202) {
            follow(answer.body());
        } else {
            conclude(answer.statusCode(), answer.body(), Delivery.IMMEDIATE);
        }
    }

    /** Takes the address of the result. It is asked for at the configured server, whatever host is named there. */
    private void follow(String body) {
        String location;
        try {
            JsonElement member = client.json().object(body).get("location");
            location = member == null || !member.isJsonPrimitive() ? "" : member.getAsString();
        } catch (JsonParseException notJson) {
            location = "";
        }
        int at = location.indexOf(POLL_PATH);
        String job = at < 0 ? "" : location.substring(at + POLL_PATH.length());
        if (!job.matches("[0-9A-Za-z-]+")) {
            end(ErrorCode.http("the server took the call, but its location '" + shown(location) + "' has no "
                + POLL_PATH + "UUID to ask for the result; is a ZStack-compatible API at " + config.base() + "?"));
            return;
        }
        poll = URI.create(config.base() + "/api-jobs/" + job);
        pollAfter(client.hook() == null ? nextWait() : config.webHookGrace());
    }

    private void pollAfter(Duration delay) {
        underWay.set(LonghaulClient.TIMER.schedule(() -> guarded(() ->
            send(HttpRequest.newBuilder(poll).header("Accept", "application/json").build(), this::polled)),
            delay.toMillis(), TimeUnit.MILLISECONDS));
        giveUpIfDone();
    }

    private Duration nextWait() {
        Duration now = wait.compareTo(config.pollingInterval()) < 0 ? wait : config.pollingInterval();
        wait = now.multipliedBy(2);
        return now;
    }

    private void polled(HttpResponse<String> answer, Throwable failure) {
        if (failure instanceof LimitedBody.TooLarge) {
            end(unreachable(failure));
        } else if (failure != null || answer.statusCode() >= 500 && !hasError(answer.body())) {
            failedPolls++;
            if (failedPolls > config.pollingRetries()) {
                ErrorCode last = failure == null ? unusable(answer.statusCode(), answer.body()) : unreachable(failure);
                end(ErrorCode.http(failedPolls + " polls of " + poll + " failed in a row (pollingRetries="
                    + config.pollingRetries() + "), the last one: " + last.details));
            } else {
                pollAfter(config.pollingInterval());
            }
        } else if (answer.statusCode() == 202) {
            failedPolls = 0;
            pollAfter(nextWait());
        } else {
            conclude(answer.statusCode(), answer.body(), Delivery.POLL);
        }
    }

    /** What is no JSON object is refused and ends nothing: polls will tell. */
    private boolean hooked(boolean success, String body) {
        try {
            client.json().object(body);
        } catch (JsonParseException notJson) {
            return false;
        }
        guarded(() -> conclude(success ? 200 : 503, body, Delivery.WEB_HOOK));
        return true;
    }

    /** Reads a final answer: an error whatever the status, a value only with 2xx. */
    private void conclude(int status, String body, Delivery delivery) {
        JsonObject object;
        try {
            object = client.json().object(body);
            if (object.get("error") instanceof JsonObject error) {
                complete(null, client.json().as(ErrorCode.class, error), delivery);
            } else if (status / 100 == 2) {
                complete(client.json().as(action.valueType(), object), null, delivery);
            } else {
                end(unusable(status, body));
            }
        } catch (JsonParseException wrong) {
            ErrorCode error = unusable(status, body);
            error.details += " (" + wrong.getMessage() + ")";
            end(error);
        }
    }

    private boolean hasError(String body) {
        try {
            return client.json().object(body).get("error") instanceof JsonObject;
        } catch (JsonParseException notJson) {
            return false;
        }
    }

    private void complete(V value, ErrorCode error, Delivery delivery) {
        R result = action.newResult();
        result.value = value;
        result.error = error;
        result.delivery = delivery;
        result.apiId = sent ? apiId : null;
        done.complete(result);
    }

    /** Sends with the limit of one request, which ends at the last byte of its answer. */
    private void send(HttpRequest request, Step step) {
        CompletableFuture<HttpResponse<String>> answer =
            client.http().sendAsync(request, LimitedBody.upTo(config.answerMaxBytes()));
        Future<?> watch = LonghaulClient.TIMER.schedule(() -> answer.cancel(true),
            config.readTimeout().toMillis(), TimeUnit.MILLISECONDS);
        underWay.set(answer);
        answer.whenComplete((response, failure) -> {
            watch.cancel(false);
            if (!done.isDone()) {
                guarded(() -> step.take(response,
                    failure instanceof CompletionException ? failure.getCause() : failure));
            }
        });
        giveUpIfDone();
    }

    /** The call may have ended while something was begun for it. */
    private void giveUpIfDone() {
        if (done.isDone()) {
            Future<?> last = underWay.getAndSet(null);
            if (last != null) {
                last.cancel(true);
            }
        }
    }

    /** Runs a step so that nothing it throws leaves the call without an end. */
    private void guarded(Runnable step) {
        try {
            step.run();
        } catch (RejectedExecutionException | StackOverflowError unable) {
            end(ErrorCode.client("this program could not go on with the call: " + unable));
        } catch (RuntimeException defect) {
            end(ErrorCode.client("the call failed in this program: " + defect));
        }
    }

    private ErrorCode unreachable(Throwable failure) {
        if (failure instanceof CancellationException) {
            return ErrorCode.timeout("no whole answer came from " + config.authority() + " within readTimeout="
                + config.readTimeout() + "; whether it took the request is unknown, its id is " + apiId);
        } else if (failure instanceof ConnectException) {
            return ErrorCode.http("cannot connect to " + config.authority()
                + "; is the server running there? Host and port are set by ClientConfig");
        }
        String why = failure.getMessage() == null ? failure.toString() : failure.getMessage();
        return ErrorCode.http("the request to " + config.authority() + " failed: " + why + "; its id is " + apiId);
    }

    private ErrorCode unusable(int status, String body) {
        return ErrorCode.http("the answer from " + config.authority() + " has status " + status
            + " and is not what the API answers: " + shown(body));
    }

    private static String shown(String text) {
        return text.length() <= SHOWN_MAX ? text : text.substring(0, SHOWN_MAX) + "…";
    }

    /** What is done with an answer, or with the failure that came instead. */
    private interface Step {
        void take(HttpResponse<String> answer, Throwable failure);
    }
}
