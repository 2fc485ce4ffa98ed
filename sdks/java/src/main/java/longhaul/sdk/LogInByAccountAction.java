package longhaul.sdk;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;

/**
 * Makes a session. Needs none itself.
 */
public final class LogInByAccountAction extends Action<SessionReply, LogInByAccountAction.Result> {
    /** The account, such as {@code admin}; required by the server. */
    public String accountName;
    /** The password's {@linkplain #hash hash}, not the password; required by the server. */
    public String password;
    /** The kind of account; null for the server's own. */
    public String accountType;
    /** The captcha that was shown, if the server asked for one. */
    public String captchaUuid;
    /** What was read from it. */
    public String verifyCode;
    /** Who logs in: {@code clientIp}, {@code clientBrowser}. */
    public Map<String, String> clientInfo;

    /** Makes one without parameters. */
    public LogInByAccountAction() {
        super(SessionReply.class, Result::new);
    }

    /**
     * What the API takes for a password: its SHA-512 in lower-case hex digits.
     *
     * @param password the clear text
     * @return 128 hex digits
     */
    public static String hash(String password) {
        try {
            MessageDigest sha512 = MessageDigest.getInstance("SHA-512");
            return HexFormat.of().formatHex(sha512.digest(password.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException never) {
            throw new IllegalStateException("every Java platform has SHA-512", never);
        }
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.put("/accounts/login", "logInByAccount")
            .with("accountName", accountName)
            .with("password", password)
            .with("accountType", accountType)
            .with("captchaUuid", captchaUuid)
            .with("verifyCode", verifyCode)
            .with("clientInfo", clientInfo);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<SessionReply> {
        private Result() {
        }
    }
}
