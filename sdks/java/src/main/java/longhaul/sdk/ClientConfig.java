package longhaul.sdk;

import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.time.ZoneId;
import java.util.Objects;

/** Where the server is, and every limit of a client. Immutable; made by {@link #builder()}. */
public final class ClientConfig {
    /** The host, unless told otherwise. */
    public static final String DEFAULT_HOST = "localhost";
    /** The port, unless told otherwise. */
    public static final int DEFAULT_PORT = 8080;
    /** The path before {@code /v1}, unless told otherwise. */
    public static final String DEFAULT_CONTEXT_PATH = "/zstack";
    /** The time between polls, unless told otherwise. */
    public static final Duration DEFAULT_POLLING_INTERVAL = Duration.ofSeconds(1);
    /** The time of a whole call, unless told otherwise; servers keep results as long. */
    public static final Duration DEFAULT_POLLING_TIMEOUT = Duration.ofHours(3);
    /** The time of one request with its whole answer, unless told otherwise. */
    public static final Duration DEFAULT_READ_TIMEOUT = Duration.ofSeconds(15);
    /** The failed polls in a row that are forgiven, unless told otherwise: half a minute of a server's restart. */
    public static final int DEFAULT_POLLING_RETRIES = 30;
    /** How long a web hook may stay silent before polls begin, unless told otherwise. */
    public static final Duration DEFAULT_WEB_HOOK_GRACE = Duration.ofSeconds(10);
    /** The largest answer that is read, bytes, unless told otherwise. */
    public static final int DEFAULT_ANSWER_MAX_BYTES = 64 << 20;

    /** The longest time that any setting may have. */
    static final Duration LONGEST = Duration.ofDays(365);

    private final String host;
    private final int port;
    private final String contextPath;
    private final Duration pollingInterval;
    private final Duration pollingTimeout;
    private final Duration readTimeout;
    private final int pollingRetries;
    private final URI webHook;
    private final InetSocketAddress webHookListen;
    private final Duration webHookGrace;
    private final int answerMaxBytes;
    private final ZoneId serverZone;

    private ClientConfig(Builder from) {
        host = from.host;
        port = from.port;
        contextPath = from.contextPath;
        pollingInterval = from.pollingInterval;
        pollingTimeout = from.pollingTimeout;
        readTimeout = from.readTimeout;
        pollingRetries = from.pollingRetries;
        webHook = from.webHook;
        webHookListen = from.webHookListen;
        webHookGrace = from.webHookGrace;
        answerMaxBytes = from.answerMaxBytes;
        serverZone = from.serverZone;
    }

    /**
     * A builder that holds the defaults.
     *
     * @return a new one
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The server's name or address.
     *
     * @return never empty
     */
    public String host() {
        return host;
    }

    /**
     * The server's port.
     *
     * @return 1 to 65535
     */
    public int port() {
        return port;
    }

    /**
     * What stands before {@code /v1}.
     *
     * @return empty, or a path that begins with a slash and does not end with one
     */
    public String contextPath() {
        return contextPath;
    }

    /**
     * The time between polls. The first polls of a call follow each other faster.
     *
     * @return 1 ms to 365 days
     */
    public Duration pollingInterval() {
        return pollingInterval;
    }

    /**
     * How long a whole call may take, unless its action says otherwise.
     *
     * @return 1 ms to 365 days
     */
    public Duration pollingTimeout() {
        return pollingTimeout;
    }

    /**
     * How long one request may take, from connecting to the last byte of its answer.
     *
     * @return 1 ms to 365 days
     */
    public Duration readTimeout() {
        return readTimeout;
    }

    /**
     * How many polls in a row may fail without ending the call.
     *
     * @return 0 to 1000000
     */
    public int pollingRetries() {
        return pollingRetries;
    }

    /**
     * Where the server tells of results.
     *
     * @return null if it is only polled
     */
    public URI webHook() {
        return webHook;
    }

    /**
     * Where this client listens for that.
     *
     * @return null for host and port of {@link #webHook()}
     */
    public InetSocketAddress webHookListen() {
        return webHookListen;
    }

    /**
     * How long the web hook may stay silent before this client polls.
     *
     * @return 1 ms to 365 days
     */
    public Duration webHookGrace() {
        return webHookGrace;
    }

    /**
     * The largest answer that is read.
     *
     * @return bytes, 1024 to 1073741824
     */
    public int answerMaxBytes() {
        return answerMaxBytes;
    }

    /**
     * The zone of moments that the server writes without one.
     *
     * @return never null
     */
    public ZoneId serverZone() {
        return serverZone;
    }

    /** The server's address with its port, as URLs and {@code location} have it. */
    String authority() {
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }

    /** What every path of the API follows. */
    String base() {
        return "http://" + authority() + contextPath + "/v1";
    }

    /** Says where the server is and sets limits; what is not said has the default. Not for several threads at once. */
    public static final class Builder {
        private String host = DEFAULT_HOST;
        private int port = DEFAULT_PORT;
        private String contextPath = DEFAULT_CONTEXT_PATH;
        private Duration pollingInterval = DEFAULT_POLLING_INTERVAL;
        private Duration pollingTimeout = DEFAULT_POLLING_TIMEOUT;
        private Duration readTimeout = DEFAULT_READ_TIMEOUT;
        private int pollingRetries = DEFAULT_POLLING_RETRIES;
        private URI webHook;
        private InetSocketAddress webHookListen;
        private Duration webHookGrace = DEFAULT_WEB_HOOK_GRACE;
        private int answerMaxBytes = DEFAULT_ANSWER_MAX_BYTES;
        private ZoneId serverZone = ZoneId.systemDefault();

        private Builder() {
        }

        /**
         * Sets the server's name or address.
         *
         * @param host without scheme and port; an IPv6 address without brackets
         * @return this builder
         * @throws IllegalArgumentException if it is no host
         */
        public Builder host(String host) {
            check(host != null && host.matches("[A-Za-z0-9._:%-]+"),
                "host is " + host + ": give a name or an address alone, as 10.0.0.5; the port is set by port()");
            this.host = host;
            return this;
        }

        /**
         * Sets the server's port.
         *
         * @param port 1 to 65535
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder port(int port) {
            check(port >= 1 && port <= 65535, "port is " + port + ": give 1 to 65535");
            this.port = port;
            return this;
        }

        /**
         * Sets what stands before {@code /v1}.
         *
         * @param contextPath such as {@code /zstack}; slashes at the ends may be left out; empty for none
         * @return this builder
         * @throws IllegalArgumentException if it is no path
         */
        public Builder contextPath(String contextPath) {
            check(contextPath != null && contextPath.matches("[A-Za-z0-9._~/-]*"),
                "contextPath is " + contextPath + ": give a path such as /zstack");
            String bare = contextPath.replaceAll("^/+|/+$", "");
            this.contextPath = bare.isEmpty() ? "" : "/" + bare;
            return this;
        }

        /**
         * Sets the time between polls.
         *
         * @param interval 1 ms to 365 days
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder pollingInterval(Duration interval) {
            pollingInterval = checked("pollingInterval", interval);
            return this;
        }

        /**
         * Sets how long a whole call may take.
         *
         * @param limit 1 ms to 365 days
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder pollingTimeout(Duration limit) {
            pollingTimeout = checked("pollingTimeout", limit);
            return this;
        }

        /**
         * Sets how long one request may take with its whole answer.
         *
         * @param limit 1 ms to 365 days
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder readTimeout(Duration limit) {
            readTimeout = checked("readTimeout", limit);
            return this;
        }

        /**
         * Sets how many polls in a row may fail (no connection, no answer in time, an answer of a proxy) without ending
         * the call: a server that restarts meanwhile goes on with it.
         *
         * @param retries 0 to 1000000
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder pollingRetries(int retries) {
            check(retries >= 0 && retries <= 1_000_000, "pollingRetries is " + retries + ": give 0 to 1000000");
            pollingRetries = retries;
            return this;
        }

        /**
         * Lets the server tell of results instead of being asked. The client listens there, and polls only when the
         * hook stays silent for the {@linkplain #webHookGrace grace}.
         *
         * @param url what the server can reach, such as {@code http://10.0.0.7:7070/results}; port 0 takes a free one;
         *     null for no web hook
         * @return this builder
         * @throws IllegalArgumentException if it is no such URL
         */
        public Builder webHook(String url) {
            if (url != null) {
                URI uri = URI.create(url);
                check("http".equals(uri.getScheme()) && uri.getHost() != null && uri.getPort() >= 0,
                    "webHook is " + url + ": give http://HOST:PORT/PATH");
                check(uri.getQuery() == null && uri.getFragment() == null && uri.getUserInfo() == null,
                    "webHook is " + url + ": leave user, query and fragment out");
                webHook = uri;
            } else {
                webHook = null;
            }
            return this;
        }

        /**
         * Listens for the web hook elsewhere than at its URL's host and port; for a client behind a port that is
         * forwarded to it.
         *
         * @param address the address to listen at; port 0 only together with a URL of port 0
         * @return this builder
         */
        public Builder webHookListen(InetSocketAddress address) {
            webHookListen = address;
            return this;
        }

        /**
         * Sets how long the web hook may stay silent before polls begin.
         *
         * @param grace 1 ms to 365 days
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder webHookGrace(Duration grace) {
            webHookGrace = checked("webHookGrace", grace);
            return this;
        }

        /**
         * Sets the largest answer that is read; a larger one fails the call.
         *
         * @param bytes 1024 to 1073741824
         * @return this builder
         * @throws IllegalArgumentException if it is outside of that
         */
        public Builder answerMaxBytes(int bytes) {
            check(bytes >= 1024 && bytes <= 1 << 30, "answerMaxBytes is " + bytes + ": give 1024 to 1073741824");
            answerMaxBytes = bytes;
            return this;
        }

        /**
         * Sets the zone of moments that the server writes without one ({@code Nov 14, 2017 10:20:57 PM}).
         *
         * @param zone the server's; without this, the zone of this program
         * @return this builder
         */
        public Builder serverZone(ZoneId zone) {
            serverZone = Objects.requireNonNull(zone, "serverZone");
            return this;
        }

        /**
         * The configuration.
         *
         * @return a new one
         */
        public ClientConfig build() {
            return new ClientConfig(this);
        }

        private static Duration checked(String name, Duration value) {
            check(isTime(value), name + " is " + value + ": give 1 ms to 365 days");
            return value;
        }

        private static void check(boolean right, String otherwise) {
            if (!right) {
                throw new IllegalArgumentException(otherwise);
            }
        }
    }

    /** Whether a setting of time may be that. */
    static boolean isTime(Duration value) {
        return value != null && value.compareTo(Duration.ofMillis(1)) >= 0 && value.compareTo(LONGEST) <= 0;
    }
}
