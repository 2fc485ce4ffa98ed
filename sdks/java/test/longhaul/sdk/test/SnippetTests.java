package longhaul.sdk.test;

import static longhaul.sdk.test.Checks.contains;
import static longhaul.sdk.test.Checks.equal;
import static longhaul.sdk.test.Checks.matches;
import static longhaul.sdk.test.Checks.that;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import longhaul.sdk.*;

/** The documents' snippets, as {@link Snippets} made classes of them: they run and answer what their document says. */
final class SnippetTests {
    private final Path directory;

    SnippetTests(Path directory) {
        this.directory = directory;
    }

    void offline(Checks checks) {
        checks.test("the reference's snippets are changed by nothing but backslashes before quotes", () -> {
            Map<String, String> snippets = Snippets.reference(directory.resolve("test/reference"));
            equal(3, snippets.size());
            for (Map.Entry<String, String> snippet : snippets.entrySet()) {
                String escaped = Snippets.escaped(snippet.getValue());
                equal(snippet.getValue(), escaped.replace("\\\"", "\""));
                equal(snippet.getKey().equals("SubmitLongJob"), !escaped.equals(snippet.getValue()));
            }
        });
    }

    void reference(Checks checks, Live live) {
        checks.test("the reference's Java snippet submits the migration, which moves the volume", () -> {
            SubmitLongJobAction.Result res = longhaul.sdk.test.made.SubmitLongJob.run();
            LongJobInventory job = res.orThrow().inventory;
            matches("[0-9a-f]{32}", job.uuid);
            equal("migrate-volume", job.name);
            equal("migrate volume to another Ceph primary storage", job.description);
            equal("APIPrimaryStorageMigrateVolumeMsg", job.jobName);
            equal("45a53d3d93384433add8ead7616586cf", job.targetResourceUuid);
            contains("\"dstPrimaryStorageUuid\":\"70a0618804864b3dabe8be9824c8028c\"", job.jobData);
            equal(res.apiId, job.apiId);
            equal(null, res.error);
            LongJobInventory ended = live.await(job.uuid, one -> one.state.isFinal(), "ends");
            equal(LongJobState.Succeeded, ended.state);
            contains("newInstallPath", ended.jobResult);
        });
        checks.test("the reference's Java snippet deletes the job", () -> {
            String uuid = "a87ae356c6583cc7b312412337f96609";
            equal(uuid, live.job(uuid).uuid);
            DeleteLongJobAction.Result res = longhaul.sdk.test.made.DeleteLongJob.run();
            that(res.value != null && res.error == null, res.error);
            equal(List.of(), live.query("uuid=" + uuid).call().orThrow().inventories);
        });
        checks.test("the reference's Java snippet renames the job", () -> {
            UpdateLongJobAction.Result res = longhaul.sdk.test.made.UpdateLongJob.run();
            LongJobInventory job = res.orThrow().inventory;
            equal("dee3e1e3706f3e52a2cb9a47850508e7", job.uuid);
            equal("new-name", job.name);
            equal("new-description", job.description);
            equal("new-name", live.job(job.uuid).name);
        });
    }

    void readme(Checks checks) throws Exception {
        List<Snippets.Block> blocks = Snippets.blocks(directory.resolve("README.md"));
        checks.test("the README has its snippets", () -> that(blocks.size() >= 7, blocks.size()));
        for (int number = 1; number <= blocks.size(); number++) {
            String name = "longhaul.sdk.test.made.Readme" + number;
            String expected = blocks.get(number - 1).prints();
            checks.test("README snippet " + number + " prints what the README says", () -> {
                that(expected != null, "the README does not say what it prints");
                equal(expected.strip(), printed(name).strip());
            });
        }
    }

    private static String printed(String name) throws Exception {
        PrintStream before = System.out;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            Class.forName(name).getMethod("run").invoke(null);
        } finally {
            System.setOut(before);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
