//! Tokens of uploads: the job, and 128 bits that only this installation can compute for it. None is stored,
//! so none can be read from the store; a rerun of the job has another one.

use hmac::{Hmac, KeyInit, Mac};
use longhaul_model::{ApiId, JobId};
use sha2::Sha256;

const PURPOSE: &[u8] = b"longhaul upload token 1";
/// Bytes of the code after the job.
const CODE_BYTES: usize = 16;

/// Makes and checks tokens.
#[derive(Clone)]
pub struct Tokens {
    key: [u8; 32],
}

impl Tokens {
    /// With the installation's key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token of this run of a job: 64 hexadecimal digits.
    pub fn make(&self, job: JobId, api_id: &ApiId) -> String {
        let code = self.mac(job, api_id).finalize().into_bytes();
        let code: String = code[..CODE_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{job}{code}")
    }

    /// The job that a token names, which proves nothing yet.
    pub fn job(token: &str) -> Option<JobId> {
        token.get(..32)?.parse().ok()
    }

    /// Whether it is the token of this run of this job, in a time that tells nothing.
    pub fn is_of(&self, token: &str, job: JobId, api_id: &ApiId) -> bool {
        let Some(code) = token.get(32..).filter(|_| token.len() == 32 + 2 * CODE_BYTES) else { return false };
        let Ok(code) = u128::from_str_radix(code, 16) else { return false };
        Self::job(token) == Some(job)
            && self.mac(job, api_id).verify_truncated_left(&code.to_be_bytes()).is_ok()
    }

    fn mac(&self, job: JobId, api_id: &ApiId) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| unreachable!("any length"));
        mac.update(PURPOSE);
        mac.update(job.to_string().as_bytes());
        mac.update(api_id.to_string().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_run_of_one_job_of_one_installation() {
        let tokens = Tokens::new([1; 32]);
        let (job, other) = (JobId::from_bits(7), JobId::from_bits(8));
        let (run, rerun) = (ApiId::chosen(&"a".repeat(32)).unwrap(), ApiId::chosen(&"b".repeat(32)).unwrap());
        let token = tokens.make(job, &run);
        assert_eq!((token.len(), Tokens::job(&token)), (64, Some(job)));
        assert!(tokens.is_of(&token, job, &run));
        assert!(!tokens.is_of(&token, other, &run) && !tokens.is_of(&token, job, &rerun));
        assert!(!Tokens::new([2; 32]).is_of(&token, job, &run));
        for wrong in [&token[..63], &token[..32], "", &format!("{token}0"), &token.replace('0', "+")] {
            assert!(wrong == token || !tokens.is_of(wrong, job, &run), "{wrong}");
        }
        for at in 32..64 {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(!tokens.is_of(std::str::from_utf8(&changed).unwrap(), job, &run), "digit {at}");
        }
    }
}
