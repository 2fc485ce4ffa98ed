//! What is made from the commands for a shell and for `man`.

use std::io::Write;
use std::process::{Command, Stdio};

use clap::CommandFactory;

use super::{Scratch, TestCli, run_with};
use crate::exit::Exit;

/// Every command with how it is called, `longhaul job submit`.
fn commands(command: &clap::Command, called: &str, into: &mut Vec<(String, clap::Command)>) {
    into.push((called.to_owned(), command.clone()));
    for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        commands(below, &format!("{called} {}", below.get_name()), into);
    }
}

fn lines_of<'a>(page: &'a str, section: &str) -> Vec<&'a str> {
    let heading = format!(".SH {section}");
    page.lines().skip_while(|line| *line != heading).skip(1).take_while(|l| !l.starts_with(".SH")).collect()
}

#[tokio::test]
async fn every_command_has_a_manual_page_with_its_name_and_its_synopsis() {
    let scratch = Scratch::new();
    let directory = scratch.0.join("not/yet/there");
    let out = directory.to_str().expect("UTF-8");
    let ran = run_with(scratch.env(), None, &["man", "--out", out]).await;
    let mut expected = Vec::new();
    commands(&TestCli::command(), "longhaul", &mut expected);
    assert!(expected.len() > 30, "{}", expected.len());
    assert_eq!(
        (ran.exit, ran.out),
        (Exit::Ok, format!("{} pages in {out}\n", expected.len())),
        "{}",
        ran.err
    );
    assert_eq!(std::fs::read_dir(&directory).expect("the directory").count(), expected.len());
    for (called, command) in expected {
        let name = called.replace(' ', "-");
        let page = std::fs::read_to_string(directory.join(format!("{name}.1"))).expect("its page");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let plain = |line: &str| line.replace("\\-", "-").replace("\\*(Aq", "'");
        let told = lines_of(&page, "NAME").into_iter().map(plain).collect::<String>();
        let (is, does) = told.split_once(" - ").unwrap_or((&told, ""));
        assert_eq!((is, does), (name.as_str(), about.as_str()));
        let synopsis = lines_of(&page, "SYNOPSIS").concat();
        let (bold, _) = synopsis.strip_prefix("\\fB").and_then(|s| s.split_once("\\fR")).expect("a synopsis");
        assert_eq!(plain(bold), called, "{synopsis}");
        for option in command.get_opts().filter_map(clap::Arg::get_long) {
            assert!(plain(&page).contains(&format!("\\fB--{option}\\fR")), "{name} --{option}");
        }
    }
}

#[tokio::test]
async fn manual_pages_that_can_not_be_written_say_where_and_what_to_do() {
    let scratch = Scratch::new();
    let file = scratch.0.join("file");
    std::fs::write(&file, "").expect("a file");
    let ran = run_with(scratch.env(), None, &["man", "--out", file.to_str().expect("UTF-8")]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains(&file.display().to_string()) && ran.err.contains("--out"), "{}", ran.err);
}

/// Whether bash takes it for a script.
fn parses(script: &str) -> bool {
    let mut child =
        Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bash");
    child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("bash reads");
    child.wait().expect("bash ends").success()
}

#[tokio::test]
async fn bash_can_read_its_completions() {
    let scratch = Scratch::new();
    let ran = run_with(scratch.env(), None, &["completions", "bash"]).await;
    assert!(parses(&ran.out));
    assert!(ran.out.contains("complete -F _longhaul"), "{}", ran.out);
    assert!(!parses(&format!("{}\nif", ran.out)), "a broken script would be seen");
}
