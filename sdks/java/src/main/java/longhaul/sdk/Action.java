package longhaul.sdk;

import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;

/**
 * One operation of the API with its parameters, which are fields. An action holds no connection and no state of a
 * call: it may be called again, also while it runs, as long as no field is changed meanwhile.
 *
 * <p>An operation that has no class here is a small subclass: its fields, its {@link #request()}, its result.
 *
 * @param <V> what the operation answers
 * @param <R> the result: that, or an error
 */
public abstract class Action<V, R extends ActionResult<V>> {
    /** The session that calls; null for the operations that need none, such as a login. */
    public String sessionId;
    /** System tags; null or empty for none. Queries and other reading operations do not send them. */
    public List<String> systemTags;
    /** User tags; null or empty for none. Queries and other reading operations do not send them. */
    public List<String> userTags;
    /** How long this call may take in all, from 1 ms to 365 days; null for {@link ClientConfig#pollingTimeout()}. */
    public Duration timeout;

    private final Class<V> valueType;
    private final Supplier<R> newResult;

    /**
     * For subclasses.
     *
     * @param valueType what a successful answer is read as, by Gson
     * @param newResult makes an empty result
     * @throws IllegalArgumentException if Gson cannot make objects of that type
     */
    protected Action(Class<V> valueType, Supplier<R> newResult) {
        if (valueType.isLocalClass() || valueType.isAnonymousClass()) {
            throw new IllegalArgumentException(
                valueType.getName() + " is declared in a method, where Gson does not read it: declare it in a class");
        }
        this.valueType = valueType;
        this.newResult = newResult;
    }

    /**
     * The request that these fields make; called once for each call.
     *
     * @return the request, without session and tags, which are added to it
     * @throws IllegalArgumentException if a field is missing or wrong; the message names it, and becomes the details
     *     of an error of {@link ErrorCode#CLIENT_ERROR}
     */
    protected abstract ApiRequest request();

    /**
     * Calls the operation by the {@linkplain LonghaulClient#getDefault() default client} and waits for its result.
     *
     * @return value or error, within {@link #timeout}
     */
    public final R call() {
        return LonghaulClient.getDefault().call(this);
    }

    /**
     * Calls the operation by the {@linkplain LonghaulClient#getDefault() default client} and returns at once.
     *
     * @param completion takes the result, within {@link #timeout}, exactly once
     */
    public final void call(Completion<? super R> completion) {
        LonghaulClient.getDefault().call(this, completion);
    }

    final Class<V> valueType() {
        return valueType;
    }

    final R newResult() {
        return newResult.get();
    }
}
