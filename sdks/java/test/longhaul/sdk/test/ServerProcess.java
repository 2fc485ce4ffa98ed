package longhaul.sdk.test;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** {@code longhaul serve --demo} as a process, on its own port 8080: run in a network of its own. */
final class ServerProcess implements AutoCloseable {
    /** Beyond the time that a stopping server gives its attempts. */
    private static final long STOP_SECONDS = 60;

    private final Process process;

    ServerProcess(Path binary, String profile, String zone, Path logs) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(binary.toString(), "serve", "--demo", "--replies", profile);
        builder.environment().put("LONGHAUL_TIMEZONE", zone);
        builder.redirectError(logs.resolve("server-" + profile + ".log").toFile());
        process = builder.start();
        BufferedReader output = process.inputReader();
        String first = output.readLine();
        if (!"listening on http://127.0.0.1:8080".equals(first)) {
            process.destroyForcibly();
            throw new IOException("the server did not start on port 8080: " + first + "; see " + logs);
        }
    }

    long pid() {
        return process.pid();
    }

    @Override
    public void close() {
        process.destroy();
        boolean stopped = false;
        try {
            stopped = process.waitFor(STOP_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
        }
        if (!stopped) {
            process.destroyForcibly();
            throw new AssertionError("the server did not stop within " + STOP_SECONDS + " s");
        }
    }
}
