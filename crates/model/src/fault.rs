//! What can go wrong, as data. How a code is spelled on the wire is in `longhaul_wire::error` alone.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can go wrong, as callers branch on it. A published code never changes meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    /// A bug of ours.
    Internal,
    /// It took longer than allowed.
    Timeout,
    /// The resource could not be made.
    CannotCreate,
    /// There is no such resource.
    NotFound,
    /// The resource could not be deleted.
    CannotDelete,
    /// The state could not be changed.
    CannotChangeState,
    /// The operation failed.
    OperationFailed,
    /// An argument is wrong, or the state does not allow the call.
    InvalidArgument,
    /// Not ready; may be sent again.
    Unavailable,
    /// The store did not answer, or did not take it; may be sent again. On the wire and in records as `Unavailable`: only
    /// whose attempt met it needs to tell the two apart.
    #[serde(rename(serialize = "Unavailable", deserialize = "StoreAway"))]
    StoreAway,
    /// The management node that held it is gone.
    NodeGone,
    /// The name exists in ZStack, not here.
    NotImplemented,
    /// A file or network operation failed.
    Io,
    /// The operation was canceled.
    OperationCanceled,
    /// Wrong name or password.
    BadCredentials,
    /// Too many failed logins; later again.
    LoginLocked,
    /// No session, an unknown or an expired one.
    InvalidSession,
    /// Not allowed to this account.
    PermissionDenied,
    /// A quota is used up.
    QuotaExceeded,
    /// Too many sessions.
    TooManySessions,
    /// The job was canceled.
    JobCanceled,
    /// There is nothing to cancel now.
    NotCancelableNow,
    /// Interrupted; to be resumed.
    Interrupted,
    /// The job type cannot do that.
    NotSupported,
    /// The chosen uuid belongs to another request.
    ResourceUuidTaken,
    /// The tag exists already.
    DuplicateTag,
    /// A primary storage cannot be reached at present.
    StorageAway,
    /// A primary storage has not enough room.
    StorageFull,
    /// Nothing more came of an upload.
    UploadInterrupted,
    /// The job had not ended by its deadline.
    DeadlinePassed,
}

impl Code {
    /// Every code of its own on the wire, for tables that must not forget one.
    pub const ALL: [Self; 29] = [
        Self::Internal,
        Self::Timeout,
        Self::CannotCreate,
        Self::NotFound,
        Self::CannotDelete,
        Self::CannotChangeState,
        Self::OperationFailed,
        Self::InvalidArgument,
        Self::Unavailable,
        Self::NodeGone,
        Self::NotImplemented,
        Self::Io,
        Self::OperationCanceled,
        Self::BadCredentials,
        Self::LoginLocked,
        Self::InvalidSession,
        Self::PermissionDenied,
        Self::QuotaExceeded,
        Self::TooManySessions,
        Self::JobCanceled,
        Self::NotCancelableNow,
        Self::Interrupted,
        Self::NotSupported,
        Self::ResourceUuidTaken,
        Self::DuplicateTag,
        Self::StorageAway,
        Self::StorageFull,
        Self::UploadInterrupted,
        Self::DeadlinePassed,
    ];

    /// Whether the same may succeed later without anybody changing the request: what a retry is for.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::OperationFailed
                | Self::Unavailable
                | Self::StoreAway
                | Self::NodeGone
                | Self::Io
                | Self::Interrupted
                | Self::StorageAway
                | Self::StorageFull
                | Self::UploadInterrupted
        )
    }
}

/// One failure: its code, what the reader can do about it, and the failure that caused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What went wrong.
    pub code: Code,
    /// What the reader can do; at most 4,096 characters reach the wire.
    pub details: String,
    /// The failure behind this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Fault>>,
}

impl Fault {
    /// A failure without a deeper cause.
    pub fn new(code: Code, details: impl Into<String>) -> Self {
        Self { code, details: details.into(), cause: None }
    }

    /// `InvalidArgument` with these details.
    pub fn invalid(details: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, details)
    }

    /// `OperationFailed` with these details.
    pub fn failed(details: impl Into<String>) -> Self {
        Self::new(Code::OperationFailed, details)
    }

    /// `Internal`: a bug; the details say where.
    pub fn internal(details: impl Into<String>) -> Self {
        Self::new(Code::Internal, details)
    }

    /// The same failure, caused by `cause`.
    #[must_use]
    pub fn because(mut self, cause: Fault) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The failure at the bottom of the chain.
    pub fn root(&self) -> &Fault {
        let mut at = self;
        while let Some(cause) = &at.cause {
            at = cause;
        }
        at
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.details)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
