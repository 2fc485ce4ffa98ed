//! Promises of `Configs`.

use longhaul_model::resource::Config;

use super::Bench;

fn config(category: &str, name: &str, value: &str) -> Config {
    Config { category: category.to_owned(), name: name.to_owned(), value: value.to_owned() }
}

/// A value is stored once per category and name; all are listed by these.
pub async fn a_value_replaces_the_one_before(t: &Bench) {
    assert_eq!(t.store.configs().await, Ok(Vec::new()));
    let values = [config("b", "a", "1"), config("a", "b", "2"), config("a", "a", "3"), config("A", "a", "")];
    for value in values.clone() {
        t.store.put_config(value).await.unwrap();
    }
    t.store.put_config(config("a", "b", "4")).await.unwrap();
    let [ba, _, aa, upper] = values;
    assert_eq!(t.store.configs().await, Ok(vec![upper, aa, config("a", "b", "4"), ba]));
}

/// After that, nothing is stored, until something is.
pub async fn cleared_values_are_gone(t: &Bench) {
    t.store.put_config(config("a", "a", "1")).await.unwrap();
    for _ in 0..2 {
        t.store.clear_configs().await.unwrap();
        assert_eq!(t.store.configs().await, Ok(Vec::new()));
    }
    t.store.put_config(config("a", "a", "2")).await.unwrap();
    assert_eq!(t.store.configs().await, Ok(vec![config("a", "a", "2")]));
}
