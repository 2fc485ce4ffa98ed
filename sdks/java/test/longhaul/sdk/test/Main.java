package longhaul.sdk.test;

import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import longhaul.sdk.ClientConfig;
import longhaul.sdk.LonghaulClient;

/**
 * All tests of the Java SDK: without a server, then against the demo in both reply profiles. Last line: how many passed
 * and failed; the exit code says the same.
 */
final class Main {
    /** Not the zone of the machine, so that a test sees which one is taken. */
    private static final String SERVER_ZONE = "Asia/Shanghai";

    private Main() {
    }

    /** Arguments: the server's binary, the directory of the SDK's sources, a directory for logs. */
    public static void main(String[] arguments) throws Exception {
        Path binary = Path.of(arguments[0]);
        SnippetTests snippets = new SnippetTests(Path.of(arguments[1]));
        Path logs = Path.of(arguments[2]);
        Checks checks = new Checks();

        System.out.println("== without a server");
        snippets.offline(checks);
        RequestTests.run(checks);
        AnswerTests.run(checks);
        LimitTests.run(checks);
        HookTests.run(checks);

        for (String profile : new String[] {"fast", "zstack"}) {
            try (ServerProcess server = new ServerProcess(binary, profile, SERVER_ZONE, logs)) {
                System.out.println("== profile " + profile + ", server process " + server.pid());
                LonghaulClient.configure(ClientConfig.builder()
                    .pollingInterval(Duration.ofMillis(100)).serverZone(ZoneId.of(SERVER_ZONE)).build());
                Live live = new Live(profile);
                snippets.reference(checks, live);
                SessionTests.run(checks, live);
                JobTests.run(checks, live);
                QueryTests.run(checks, live);
                snippets.readme(checks);
            }
        }
        // Not by an exception's exit code: this is the verdict, and threads of the tests may live.
        System.exit(checks.close() ? 0 : 1);
    }
}
