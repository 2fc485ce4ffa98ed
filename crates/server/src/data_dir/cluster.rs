//! Which database a data directory belongs to: the file `store.cluster` of a node, `store.moved`, or an embedded store. A
//! database that is empty, or another cluster's, is then a mistake in the settings, and nothing is begun in it.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow, bail};
use longhaul_model::ADMIN;
use longhaul_store::Store;
use longhaul_store::house::source::Source;

use super::{DataDir, Moved, STORE_FILE, read_if_there, write_private};

/// The file that says which cluster this directory is a node of, and in which database that was seen last.
pub(crate) const CLUSTER_FILE: &str = "store.cluster";
/// Under which name a shared store knows which cluster's it is. It goes along when the database is dumped and restored.
pub(crate) const CLUSTER_KEY: &str = "cluster";

/// A cluster that a data directory is a node of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub id: String,
    /// The URL of its database, without the password.
    pub place: String,
}

impl Cluster {
    /// Of which cluster the data directory at `path` is a node, if it is one. No lock is taken.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let file = path.join(CLUSTER_FILE);
        let Some(text) = read_if_there(&file)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&text).into_owned();
        match text.lines().collect::<Vec<_>>().as_slice() {
            [id, place] if !id.is_empty() => Ok(Some(Self { id: (*id).into(), place: (*place).into() })),
            _ => bail!(
                "{} must hold a cluster's id and the URL of its database; restore it, or remove it if the database \
                 that the node is given is the right one",
                file.display()
            ),
        }
    }
}

/// What a data directory knows of the database that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Is {
    NodeOf(Cluster),
    Moved(Moved),
    /// Its store is here.
    Embedded,
}

/// A data directory that belongs to a database, or to none because its store is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belongs {
    dir: PathBuf,
    is: Is,
    /// Whether `store.cluster` alone says so.
    by_its_file_alone: bool,
    /// When the account admin of the embedded store was made that is here, or was left behind here.
    born_ms: Option<i64>,
}

impl Belongs {
    /// That there is nothing in the database at `url`.
    pub fn to_another_than_the_empty(&self, url: &str) -> Error {
        let dir = self.dir.display();
        let what_to_do = match &self.is {
            Is::NodeOf(_) => {
                "Name that database with --store; if it is lost, restore its backup first".to_owned()
            }
            Is::Moved(_) => format!(
                "Name that database with --store; if the move broke off, `longhaul store copy --from {dir}` again"
            ),
            Is::Embedded => format!("Move it there with `longhaul store copy --from {dir} --to URL`"),
        };
        anyhow!(
            "nothing is begun in the database {url}, which is empty: {}. {what_to_do}. {}",
            self.what_it_is(),
            self.on_purpose("To begin a new cluster there on purpose")
        )
    }

    /// That the database at `url` is another cluster's, as `id` or what is in it says.
    fn to_another_than(&self, url: &str, id: Option<&str>) -> Error {
        let id = id.map(|id| format!(", {id}")).unwrap_or_default();
        anyhow!(
            "the database {url} is of another cluster{id}: {}. Name the right database with --store. {}",
            self.what_it_is(),
            self.on_purpose("To join the other cluster on purpose")
        )
    }

    /// The id of the cluster, where it is known.
    fn cluster(&self) -> Option<&str> {
        match &self.is {
            Is::NodeOf(cluster) => Some(&cluster.id),
            Is::Moved(moved) => moved.cluster.as_deref(),
            Is::Embedded => None,
        }
    }

    /// Whether a store whose account admin was made at `born_ms` may be the one that is meant, by all that is known without
    /// an id. Every copy and every backup of a store keeps that moment.
    fn may_be_of(&self, born_ms: i64) -> bool {
        match (&self.is, self.born_ms) {
            (Is::NodeOf(_), _) | (Is::Moved(_), None) => true,
            (Is::Moved(_) | Is::Embedded, known) => known == Some(born_ms),
        }
    }

    /// Why the key is not that of the database at `url`, which may be the wrong one.
    fn with_another_key(&self, url: &str, why: Error) -> Error {
        match &self.is {
            Is::NodeOf(cluster) if cluster.place == url => why,
            _ => anyhow!("{why:#}. Or {url} is not the right database: {}", self.what_it_is()),
        }
    }

    fn what_it_is(&self) -> String {
        let dir = self.dir.display();
        match &self.is {
            Is::NodeOf(cluster) => format!("{dir} is that of a node of the cluster in {}", cluster.place),
            Is::Moved(moved) => format!("the store of {dir} has moved to {moved}"),
            Is::Embedded => {
                format!("{dir} has an embedded store, which would stay behind with all of its jobs")
            }
        }
    }

    fn on_purpose(&self, what: &str) -> String {
        let file = self.dir.join(CLUSTER_FILE);
        match self.by_its_file_alone {
            true => format!("{what}, take another data directory, or remove {}", file.display()),
            false => format!("{what}, take another data directory"),
        }
    }
}

impl DataDir {
    /// Which database this directory belongs to, if it was ever used.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn belongs(&self) -> Result<Option<Belongs>> {
        let (cluster, moved) = (Cluster::of(&self.path)?, self.moved_to()?);
        let by_its_file_alone = moved.is_none() && !self.has_store();
        let is = match (cluster, moved) {
            (Some(cluster), _) => Some(Is::NodeOf(cluster)),
            (None, Some(moved)) => Some(Is::Moved(moved)),
            (None, None) => self.has_store().then_some(Is::Embedded),
        };
        Ok(is.map(|is| {
            let born_ms = if matches!(is, Is::NodeOf(_)) { None } else { self.born_ms() };
            Belongs { dir: self.path.clone(), is, by_its_file_alone, born_ms }
        }))
    }

    /// When the account admin of the embedded store here was made; `None` where there is none, or it cannot be read.
    fn born_ms(&self) -> Option<i64> {
        Source::open(&self.path.join(STORE_FILE)).ok()?.account_made_ms(ADMIN).ok()?
    }

    /// That an embedded store may be made or opened here: the directory is of no node whose store is a database.
    ///
    /// # Errors
    /// It is.
    pub fn may_embed(&self) -> Result<()> {
        match Cluster::of(&self.path)? {
            Some(cluster) if !self.has_store() && self.moved_to()?.is_none() => bail!(
                "{} is that of a node of the cluster in {}: start with --store and that URL. To begin with an embedded store \
                 on purpose, take another data directory, or remove {}",
                self.path.display(),
                cluster.place,
                self.path.join(CLUSTER_FILE).display()
            ),
            _ => Ok(()),
        }
    }

    /// The key and the cluster of the store at `url`, where this directory is, or becomes, a node. A store that has no id
    /// yet gets the one that is known here, or `fresh`.
    ///
    /// # Errors
    /// The store is empty, though the directory `belongs` to one; it is another cluster's; its key is not here.
    pub async fn join(
        &self,
        belongs: Option<&Belongs>,
        key_file: Option<&Path>,
        store: &dyn Store,
        url: &str,
        fresh: &str,
    ) -> Result<([u8; 32], Cluster)> {
        if let Some(belongs) = belongs {
            match store.account(ADMIN).await? {
                None => return Err(belongs.to_another_than_the_empty(url)),
                Some(admin) if !belongs.may_be_of(admin.create_ms) => {
                    return Err(belongs.to_another_than(url, None));
                }
                Some(_) => {}
            }
        }
        let key = self.shared_secret_key(key_file, store).await.map_err(|error| match belongs {
            Some(belongs) => belongs.with_another_key(url, error),
            None => error,
        })?;
        let known = belongs.and_then(Belongs::cluster);
        let id = store.kept(CLUSTER_KEY, known.unwrap_or(fresh)).await?;
        if let (Some(belongs), Some(known)) = (belongs, known)
            && *known != id
        {
            return Err(belongs.to_another_than(url, Some(&id)));
        }
        Ok((key, Cluster { id, place: url.to_owned() }))
    }

    /// Notes on disk that this directory is of a node of `cluster`. To be called once the store is no empty one any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remember(&self, cluster: &Cluster) -> Result<()> {
        let (path, text) = (self.path.join(CLUSTER_FILE), format!("{}\n{}\n", cluster.id, cluster.place));
        match read_if_there(&path)? {
            Some(known) if known == text.as_bytes() => Ok(()),
            _ => write_private(&path, text.as_bytes()),
        }
    }
}
