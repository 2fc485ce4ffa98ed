package longhaul.sdk;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Map;

/**
 * What one call sends: method, path, and parameters, which go into the body's wrapper for POST and PUT and into the
 * query string for GET and DELETE. Names nothing of connections; {@link LonghaulClient} sends it.
 */
public final class ApiRequest {
    private static final String UNRESERVED = "-._~";

    private final String method;
    private final String wrapper;
    private String path;
    private final StringBuilder query = new StringBuilder();
    private final JsonObject parameters = new JsonObject();
    private final JsonObject tags = new JsonObject();

    private ApiRequest(String method, String path, String wrapper) {
        this.method = method;
        this.path = path;
        this.wrapper = wrapper;
    }

    /**
     * A reading operation.
     *
     * @param path after {@code /v1}, such as {@code /longjobs/{uuid}}
     * @return the request
     */
    public static ApiRequest get(String path) {
        return new ApiRequest("GET", path, null);
    }

    /**
     * A creating operation; its parameters are in the body's {@code params}.
     *
     * @param path after {@code /v1}
     * @return the request
     */
    public static ApiRequest post(String path) {
        return new ApiRequest("POST", path, "params");
    }

    /**
     * An operation on something that is there.
     *
     * @param path after {@code /v1}
     * @param action the body's key, such as {@code cancelLongJob}
     * @return the request
     */
    public static ApiRequest put(String path, String action) {
        return new ApiRequest("PUT", path, action);
    }

    /**
     * A deleting operation.
     *
     * @param path after {@code /v1}
     * @return the request
     */
    public static ApiRequest delete(String path) {
        return new ApiRequest("DELETE", path, null);
    }

    /**
     * Puts a value into the path, escaped.
     *
     * @param name the variable, which the path has in braces
     * @param value what stands there
     * @return this request
     * @throws IllegalArgumentException if the value is null or empty
     */
    public ApiRequest at(String name, String value) {
        if (value == null || value.isEmpty()) {
            throw new IllegalArgumentException("set the field " + name + ": it is a part of the path " + path);
        }
        path = path.replace("{" + name + "}", escape(value));
        return this;
    }

    /**
     * Adds a parameter.
     *
     * @param name as the API spells it
     * @param value a text, number, boolean, collection or map of these, or a {@link JsonElement}; null is left out
     * @return this request
     */
    public ApiRequest with(String name, Object value) {
        if (value != null) {
            if (wrapper == null) {
                appendToQuery(name, value);
            } else {
                parameters.add(name, json(value));
            }
        }
        return this;
    }

    /** Adds tags where they belong: beside the wrapper, or in the query string of a deletion. Nothing for no tags. */
    void addTags(String name, Collection<String> values) {
        if (values == null || values.isEmpty()) {
            return;
        }
        if (wrapper != null) {
            tags.add(name, json(values));
        } else if (method.equals("DELETE")) {
            appendToQuery(name, values);
        }
    }

    String method() {
        return method;
    }

    /** Path and query string, escaped. */
    String target() {
        return query.length() == 0 ? path : path + "?" + query;
    }

    /** The JSON object to send, or null for none. */
    JsonObject body() {
        if (wrapper == null) {
            return null;
        }
        JsonObject body = tags.deepCopy();
        body.add(wrapper, parameters);
        return body;
    }

    private void appendToQuery(String name, Object value) {
        if (value instanceof Collection<?> several) {
            several.forEach(one -> appendToQuery(name, one));
        } else if (value instanceof Map<?, ?> map) {
            map.forEach((key, one) -> appendToQuery(name + "." + key, one));
        } else {
            query.append(query.length() == 0 ? "" : "&").append(escape(name)).append('=').append(escape(text(value)));
        }
    }

    private static String text(Object value) {
        return value instanceof JsonPrimitive primitive ? primitive.getAsString() : String.valueOf(value);
    }

    private static JsonElement json(Object value) {
        if (value == null) {
            return JsonNull.INSTANCE;
        } else if (value instanceof JsonElement element) {
            return element;
        } else if (value instanceof Number number) {
            return new JsonPrimitive(number);
        } else if (value instanceof Boolean bool) {
            return new JsonPrimitive(bool);
        } else if (value instanceof Collection<?> several) {
            JsonArray array = new JsonArray();
            several.forEach(one -> array.add(json(one)));
            return array;
        } else if (value instanceof Map<?, ?> map) {
            JsonObject object = new JsonObject();
            map.forEach((key, one) -> object.add(String.valueOf(key), json(one)));
            return object;
        }
        return new JsonPrimitive(value.toString());
    }

    /** Everything but letters, digits and {@code -._~} as %XX of its UTF-8 bytes: right in a path and in a query. */
    static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length() + 16);
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
            if (plain || UNRESERVED.indexOf(c) >= 0) {
                escaped.append(c);
            } else {
                escaped.append(String.format("%%%02X", (int) c));
            }
        }
        return escaped.toString();
    }
}
