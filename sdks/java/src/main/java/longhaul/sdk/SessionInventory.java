package longhaul.sdk;

import java.time.Instant;

/** A session: what a login answers. Its uuid is a secret until it expires. */
public final class SessionInventory {
    /** What actions take as {@code sessionId}. */
    public String uuid;
    /** The account that logged in. */
    public String accountUuid;
    /** The user of that account. */
    public String userUuid;
    /** The kind of user; mostly null. */
    public String userType;
    /** When it ends, unless it is used before: each use puts that off. */
    public Instant expiredDate;
    /** When it began. */
    public Instant createDate;
    /** Reserved. */
    public Boolean noSessionEvaluation;

    /** Makes one without content. */
    public SessionInventory() {
    }

    /** The account and the end, without the uuid. */
    @Override
    public String toString() {
        return "session of account " + accountUuid + " until " + expiredDate;
    }
}
