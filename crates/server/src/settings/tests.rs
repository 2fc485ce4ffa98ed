//! What is refused, and which source of a value wins.

use super::*;

#[test]
fn a_misspelled_key_is_refused_with_the_nearest_one() {
    let refused = Layers::default().set("engine.maxRuning", "1", "longhaul.toml").unwrap_err().to_string();
    assert!(refused.contains("did you mean \"engine.maxRunning\""), "{refused}");
    let refused = Layers::default().set("maxRunning", "1", "longhaul.toml").unwrap_err().to_string();
    assert!(refused.contains("did you mean \"engine.maxRunning\""), "without its table: {refused}");
    let refused = Layers::default().set("color", "blue", "longhaul.toml").unwrap_err().to_string();
    assert!(!refused.contains("did you mean") && refused.contains("docs/configuration.md"), "{refused}");
}

#[test]
fn a_number_where_a_text_is_due_is_refused_even_if_a_flag_wins() {
    let path = std::env::temp_dir().join(format!("longhaul-settings-{}.toml", std::process::id()));
    std::fs::write(&path, "listen = 5\n").unwrap();
    let refused = Layers::default().file(&path).unwrap_err().to_string();
    assert!(refused.contains("listen") && refused.contains("in quotes"), "{refused}");
    std::fs::write(&path, "simulator = 1\n[engine]\nmaxRunning = 5\n").unwrap();
    Layers::default().file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn flags_win_over_the_environment() {
    let mut layers = Layers::default();
    layers.environment([("LONGHAUL_ENGINE_MAX_RUNNING".to_owned(), "3".to_owned())].into_iter());
    assert_eq!(layers.settings().unwrap().max_running, 3);
    layers.set("engine.maxRunning", "4", "--set").unwrap();
    assert_eq!(layers.settings().unwrap().max_running, 4);
}

#[test]
fn a_demo_never_listens_beyond_loopback() {
    let mut layers = Layers::default();
    layers.set("demo", "true", "--demo").unwrap();
    layers.set("listen", "0.0.0.0:8080", "--listen").unwrap();
    assert!(layers.settings().unwrap_err().to_string().contains("loopback"));
}

#[test]
fn web_hooks_reach_loopback_in_a_demo_and_where_a_rule_says_so() {
    let own = "127.0.0.1:8080".parse().unwrap();
    let reaches = |layers: &Layers| {
        let settings = layers.settings().unwrap();
        settings.egress_webhooks.check("h", "127.0.0.1:9000".parse().unwrap(), own).is_ok()
    };
    let mut layers = Layers::default();
    assert!(!reaches(&layers));
    layers.set("demo", "true", "--demo").unwrap();
    assert!(reaches(&layers));
    layers.set(hooks::EGRESS_KEY, "private", "--set").unwrap();
    assert!(!reaches(&layers), "what is set counts");
    layers.set(hooks::EGRESS_KEY, "127.0.0.1", "--set").unwrap();
    let refused = layers.settings().unwrap_err().to_string();
    assert!(refused.contains("egress.webhooks") && refused.contains("ADDRESS:PORTS"), "{refused}");
}

#[test]
fn a_value_out_of_bounds_names_its_key_and_its_bounds() {
    let mut layers = Layers::default();
    layers.set("copy.streams", "99", "longhaul.toml").unwrap();
    let refused = layers.settings().unwrap_err().to_string();
    assert!(refused.contains("copy.streams") && refused.contains("1 to 16"), "{refused}");
}
