//! What stands in the way of a connection, each told with what to do, and a cluster that is away.

use std::fs;

use longhaul_jobs::copy::control::boottime_ns;
use longhaul_jobs::rbd::{CephPool, Image, Pool, Timeouts};
use longhaul_jobs::storage::DiskError;

use crate::cluster::{Alone, Named, conf, file, pool_named, rbd};
use crate::support::{MIB, Place};

const SHORT: Timeouts = Timeouts { osd_s: 1, mon_s: 2, connect_s: 2 };

fn refused(to: &CephPool) -> String {
    match Pool::connect_within(to, SHORT) {
        Err(e @ DiskError::Refuses { .. }) => e.to_string(),
        Err(e) => panic!("{e:?}"),
        Ok(_) => panic!("connected"),
    }
}

#[test]
fn a_pool_is_reached_by_monitors_and_keyring_or_by_a_conf() {
    let by_monitors = Pool::connect(&pool_named("ps-a")).unwrap();
    let fsid = by_monitors.fsid().unwrap();
    let admin = CephPool {
        monitors: Vec::new(),
        conf: Some(conf().to_str().unwrap().into()),
        user: "admin".into(),
        keyring: None,
        pool: "ps-a".into(),
        fsid: fsid.clone(),
    };
    assert_eq!(Pool::connect(&admin).unwrap().fsid().unwrap(), fsid);
    assert!(fs::read_to_string(conf()).unwrap().contains(&fsid));
}

#[test]
fn a_wrong_setting_is_told_with_what_to_do() {
    let good = pool_named("ps-a");
    let with = |change: &dyn Fn(&mut CephPool)| {
        let mut to = good.clone();
        change(&mut to);
        refused(&to)
    };
    let no_pool = with(&|to| to.pool = "no-such-pool".into());
    assert!(no_pool.contains("there is no pool no-such-pool"), "{no_pool}");
    let no_conf = with(&|to| to.conf = Some("/no/such/ceph.conf".into()));
    assert!(no_conf.contains("/no/such/ceph.conf"), "{no_conf}");
    let no_keyring = with(&|to| to.keyring = Some("/no/such/keyring".into()));
    assert!(no_keyring.contains("/no/such/keyring does not exist"), "{no_keyring}");
    let other = with(&|to| to.fsid = "00000000-0000-0000-0000-000000000000".into());
    assert!(other.contains("Add it as a new storage"), "{other}");
}

#[test]
fn a_wrong_key_is_refused_and_the_right_one_is_not() {
    let place = Place::new("wrong-key");
    // By the conf, which says how the monitor speaks: by its bare address it is only known to be silent.
    let conf = Some(conf().to_str().unwrap().to_owned());
    let good = CephPool { conf, monitors: Vec::new(), ..pool_named("ps-a") };
    Pool::connect(&good).unwrap();
    // Of the right form, but another's.
    let keys = fs::read_to_string(file("keyring")).unwrap();
    let mut keys = keys.lines().filter_map(|l| l.trim().strip_prefix("key = "));
    let right = fs::read_to_string(file("client.longhaul.keyring")).unwrap();
    let wrong = keys.find(|key| !right.contains(key)).unwrap();
    fs::write(place.path("keyring"), format!("[client.longhaul]\n\tkey = {wrong}\n")).unwrap();
    let keyring = place.path("keyring").to_str().unwrap().to_owned();
    let told = refused(&CephPool { keyring: Some(keyring.clone()), ..good.clone() });
    assert!(told.contains("the key of client.longhaul is not the cluster's"), "{told}");
    // A keyring in which the user is not.
    let told = refused(&CephPool { keyring: Some(keyring), user: "stranger".into(), ..good });
    assert!(told.contains("has no [client.stranger]"), "{told}");
}

#[test]
fn a_missing_image_is_told_by_its_url() {
    let pool = Pool::connect(&pool_named("ps-a")).unwrap();
    match Image::open(&pool, "no-such-image") {
        Err(DiskError::NotFound(path)) => assert_eq!(path.to_str(), Some("ceph://ps-a/no-such-image")),
        Err(e) => panic!("{e:?}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn an_osd_that_does_not_answer_is_an_error_in_time_and_good_again_afterwards() {
    let name = Named::new("away");
    rbd(&["create", "--size", "8M", &name.0]);
    let alone = Alone::wait();
    let pool = Pool::connect_within(&pool_named("ps-a"), SHORT).unwrap();
    let image = Image::open(&pool, name.image()).unwrap();
    image.write(b"before", 0).unwrap();
    let stopped = alone.stop_osd();
    let begun = boottime_ns();
    let mut bytes = [0; 6];
    let away = image.read(&mut bytes, 0);
    let waited_ms = (boottime_ns() - begun) / 1_000_000;
    drop(stopped);
    assert!(matches!(away, Err(DiskError::Away { .. })), "{away:?}");
    assert!((500..8_000).contains(&waited_ms), "{waited_ms} ms");
    image.read(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"before");
    image.write(&[1; 64], MIB).unwrap();
}

#[test]
fn a_monitor_that_is_not_there_is_an_error_in_time() {
    let nobody = CephPool { monitors: vec!["127.0.0.1:1".into()], ..pool_named("ps-a") };
    let begun = boottime_ns();
    let away = Pool::connect_within(&nobody, SHORT).err();
    assert!(matches!(away, Some(DiskError::Away { .. })), "{away:?}");
    assert!((boottime_ns() - begun) / 1_000_000 < 20_000);
}
