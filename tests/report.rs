//! `dispatch report`: that its pages are sound, hold what is hostile, can be read, and are made only where something changed.
//!
//! Structure and safety are tested without a browser. Where there is a Chromium, `tests/browser/check.py` looks at the same
//! pages in it, at two widths and in both colours; where there is none that is left out, aloud.

#[path = "support/html.rs"]
mod html;
#[expect(dead_code, reason = "the tests of scenarios need more of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use codex_dispatch::schema::Schema;
use data_encoding::BASE64;
use html::Element;
use sha2::{Digest, Sha256};
use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Marks that must be on pages as text, and never as anything else.
const MARK: &str = "<script>alert(1)</script>";

/// A repository with requests of every kind of malice, and some of every outcome.
fn hostile_world() -> Result<World, Box<dyn std::error::Error>> {
    let world = World::new()?;
    for (path, text) in [
        (
            "handlers/index.yml",
            "loud: handlers/loud.py\nfails: handlers/fails.sh\nagain: {run: handlers/again.sh, delivery: at-least-once, retry: {attempts: 2, backoff: 10ms}}\n\
            slow: {run: handlers/slow.sh, timeout: 300ms, grace: 100ms}\nend: {run: handlers/fails.sh, publish: tail}\nshut: {run: handlers/loud.py, publish: digest}\n",
        ),
        (
            "handlers/loud.py",
            r#"import os, sys
mark = "<script>alert(1)</script>"
print(mark + "\x1b[31mred " + mark + "\x1b[0m \x1b]0;title\x07 \x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07 abc\u202efed")
print('" onmouseover="alert(1)', file=sys.stderr)
sys.stdout.flush()
sys.stdout.buffer.write(b"\xff\xfe</pre></code></body>\n" + b"x" * 300000 + b"\n")
for number in range(3000): print("line", number)
here = os.environ["DISPATCH_LOG_DIR"]
for name in ["plain.txt", "<img src=x onerror=alert(1)>.txt", 'a" onclick="alert(1).txt']:
    try: open(os.path.join(here, name), "w").write("x" * 2000)
    except OSError as error: print(error)
open(os.environ["DISPATCH_RESULT"], "w").write('{"html": "' + mark + '</script><!--", "abc\u202efed": 1}')
"#,
        ),
        ("handlers/fails.sh", "#!/bin/sh\nseq 400\necho '</title><script>alert(1)</script>' >&2\nexit 3\n"),
        ("handlers/again.sh", "#!/bin/sh\n[ \"$DISPATCH_ATTEMPT\" = 2 ] || exit 75\n"),
        ("handlers/slow.sh", "#!/bin/sh\necho begins\nsleep 20\n"),
        (
            "requests/loud.yml",
            "kind: loud\nid: 00000000-0000-4000-8000-000000000001\nspec: {text: \"<script>alert(1)</script>\", more: \"\\u202e\\e[31m\"}\n",
        ),
        (
            "requests/loud-again.yml",
            "kind: loud\nspec: {text: \"</pre><script>alert(1)</script>\"}\nrerun_of: 00000000-0000-4000-8000-000000000001\n",
        ),
        ("requests/fails.yml", "kind: fails\nid: 00000000-0000-4000-8000-000000000002\n"),
        ("requests/again.yml", "kind: again\n"),
        ("requests/slow.yml", "kind: slow\n"),
        ("requests/end.yml", "kind: end\n"),
        ("requests/shut.yml", "kind: shut\n"),
        ("requests/kind.yml", "kind: \"<script>alert(1)</script>\"\n"),
        ("requests/quote.yml", "kind: 'x\" onmouseover=\"alert(1)'\n"),
        ("requests/broken.yml", "kind: [<script>alert(1)</script>\n"),
        ("requests/a\" onclick=\"alert(1).yml", "kind: loud\n"),
        ("requests/<img src=x onerror=alert(1)>.yml", "kind: loud\n"),
    ] {
        world.write(path, text)?;
    }
    world.must(
        "git init -q -b main; git config user.name 'Eve\" onmouseover=\"alert(1)'; git config user.email 'javascript:alert(1)'; git add -A
         GIT_AUTHOR_NAME='Eve\" onmouseover=\"alert(1)' git commit -qm '<script>alert(1)</script>'
         git init -q --bare -b main ../origin.git; git remote add origin ../origin.git; git push -q -u origin main
         dispatch run 2>/dev/null; git pull -q
         printf 'kind: loud\\nnot_before: 2999-01-01T00:00:00Z\\nspec: {text: \"<script>alert(1)</script>\"}\\n' > requests/later.yml
         printf 'kind: \"</td><script>alert(1)</script>\"\\n' > requests/next.yml
         echo x > 'requests/<b>left alone'
         git add -A; git commit -qm more; git push -q",
    )?;
    Ok(world)
}

/// Every page of a site, by its path from the top.
fn pages(site: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for folder in ["", "requests/"] {
        for entry in fs::read_dir(site.join(folder)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file())
        {
            let name = format!("{folder}{}", entry.file_name().into_string().unwrap());
            if Path::new(&name).extension().is_some_and(|extension| extension == "html") {
                pages.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    pages
}

#[test]
fn pages_are_sound_and_hold_what_is_hostile() -> Tested {
    let world = hostile_world()?;
    world.must("dispatch report --html ../site 2>/dev/null")?;
    let texts = pages(&world.path("site"));
    assert!(texts.len() > 20, "{:?}", texts.keys());
    let read: BTreeMap<&String, Vec<Element>> = texts
        .iter()
        .map(|(path, text)| Ok((path, html::read(text).map_err(|why| format!("{path}: {why}"))?)))
        .collect::<Result<_, String>>()?;
    let ids = |page: &Vec<Element>| page.iter().filter_map(|element| element.get("id").map(str::to_owned)).collect();
    let files: BTreeMap<String, BTreeSet<String>> =
        read.iter().map(|(path, page)| ((*path).clone(), ids(page))).collect();
    let mut faults: Vec<String> = Vec::new();
    for (path, page) in &read {
        faults.extend(html::faults(path, page, &files));
        faults.extend(faults_of_policy(path, page));
        let text = &texts[*path];
        // What acts on a terminal or turns text around is nowhere, not even where HTML would let it be.
        let acting = text.chars().find(|c| codex_dispatch::record::visible::acts(*c) && *c != '\n');
        faults.extend(acting.map(|c| format!("{path}: {c:?} stands on the page")));
        let longest = text.lines().map(str::len).max().unwrap_or(0);
        faults.extend((longest > 400_000).then(|| format!("{path}: a line of {longest} bytes")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    // All of that is there to be seen, as text.
    let loud = &texts["requests/00000000-0000-4000-8000-000000000001.html"];
    let seen = &read[&"requests/00000000-0000-4000-8000-000000000001.html".to_owned()];
    let all = &seen[0].text;
    for part in [
        MARK,
        "\\x1b]0;title\\x07",
        "abc\\u{202e}fed",
        "\\xff\\xfe</pre>",
        "err \" onmouseover=\"alert(1)",
        "of this line are not shown",
        "lines are not shown here",
        "plain.txt",
        "Eve\" onmouseover",
    ] {
        assert!(all.contains(part), "{part}\n{all:.3000}");
    }
    assert!(loud.contains("<span class=\"f1\">red &lt;script&gt;"), "colours are spans");
    assert!(all.contains("Repeated by"), "its rerun is named");
    Ok(())
}

/// A page that nothing is wrong with, and around which wrong ones are made.
fn sound(body: &str) -> String {
    let own = format!("'sha256-{}'", BASE64.encode(&Sha256::digest("a{}")));
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src {own}; base-uri 'none'; form-action 'none'\"><title>t</title><style>a{{}}</style></head><body><main>\
         <h1>h</h1>{body}</main></body></html>"
    )
}

#[test]
fn what_is_wrong_with_a_page_is_found() {
    let files = BTreeMap::from([("a.html".to_owned(), BTreeSet::new())]);
    let faults = |text: &str| match html::read(text) {
        Err(why) => vec![why],
        Ok(page) => [html::faults("a.html", &page, &files), faults_of_policy("a.html", &page)].concat(),
    };
    assert_eq!(faults(&sound("<p>fine &lt;script&gt;</p>")), Vec::<String>::new());
    for body in [
        "<script>alert(1)</script>",
        "<style>b{}</style>",
        "<p onmouseover=\"alert(1)\">x</p>",
        "<p style=\"color:red\">x</p>",
        "<p title=x>not quoted</p>",
        "<p>not closed",
        "<b><i>crossed</b></i>",
        "<p>a > b</p>",
        "<p>a < b</p>",
        "<img src=\"x\">",
        "<iframe></iframe>",
        "<a href=\"https://example.com\">out</a>",
        "<a href=\"javascript:alert(1)\">run</a>",
        "<a href=\"b.html\">missing</a>",
        "<a href=\"#nowhere\">missing</a>",
        "<a href=\"a.html\"></a>",
        "<p id=\"x\">x</p><p id=\"x\">x</p>",
        "<table><tr><th scope=\"col\">x</th></tr></table>",
        "<svg></svg>",
        "<input id=\"x\">",
        "<h1>another</h1>",
    ] {
        assert!(!faults(&sound(body)).is_empty(), "{body}");
    }
}

/// The policy lets in what the page has, and nothing else.
fn faults_of_policy(path: &str, page: &[Element]) -> Vec<String> {
    let policy = page.iter().find(|element| element.get("http-equiv") == Some("Content-Security-Policy"));
    let Some(policy) = policy.and_then(|policy| policy.get("content")) else {
        return vec![format!("{path}: no policy")];
    };
    let mut faults = Vec::new();
    for part in ["default-src 'none'", "base-uri 'none'", "form-action 'none'"] {
        faults.extend((!policy.contains(part)).then(|| format!("{path}: no {part}")));
    }
    faults.extend((policy.contains("unsafe") || policy.contains('*')).then(|| format!("{path}: {policy}")));
    let own: Vec<&Element> =
        page.iter().filter(|element| matches!(element.name.as_str(), "script" | "style")).collect();
    for element in &own {
        let digest = format!("'sha256-{}'", BASE64.encode(&Sha256::digest(&element.text)));
        faults.extend((!policy.contains(&digest)).then(|| format!("{path}: <{}> is not allowed", element.name)));
    }
    faults.extend(
        (policy.matches("sha256-").count() != own.len()).then(|| format!("{path}: more is allowed than is there")),
    );
    faults
}

#[test]
fn only_what_changed_is_made_again() -> Tested {
    let world = hostile_world()?;
    let report = |more: &str| -> Result<serde_json::Value, Box<dyn std::error::Error>> {
        let text = world.must(&format!("dispatch report --html ../site --json {more} 2>/dev/null"))?;
        Ok(serde_json::from_str(&text)?)
    };
    let first = report("")?;
    let (ended, pending) = (&first["requests"]["ended"], &first["requests"]["pending"]);
    assert_eq!((first["pages"]["kept"].as_u64(), pending.as_u64()), (Some(0), Some(2)), "{first}");
    let before = pages(&world.path("site"));
    let second = report("")?;
    assert_eq!((&second["pages"]["kept"], second["pages"]["removed"].as_u64()), (ended, Some(0)), "{second}");
    // Another one repeats an old one, whose page says so; all other pages stay as they are.
    world.write("requests/once-more.yml", "kind: again\nrerun_of: 00000000-0000-4000-8000-000000000002\n")?;
    world.must("git add -A; git commit -qm again; git push -q; dispatch run 2>/dev/null; git pull -q")?;
    let third = report("")?;
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    assert_eq!(
        number(&third["requests"]["ended"]),
        number(ended) + 2,
        "`next` was rejected and `once-more` ran: {third}"
    );
    assert_eq!(number(&third["pages"]["kept"]), number(ended) - 1, "{third}");
    let after = pages(&world.path("site"));
    let old = "requests/00000000-0000-4000-8000-000000000002.html";
    assert!(!before[old].contains("once-more") && after[old].contains("once-more"));
    let kept = before.iter().filter(|(path, text)| path.starts_with("requests/") && after.get(*path) == Some(text));
    assert_eq!(kept.count() as u64, number(ended) - 1);
    // A page whose neighbour is no longer there must not link to it.
    let cut = report("--most 1")?;
    assert_eq!(number(&cut["requests"]["ended"]), 1);
    for (path, text) in pages(&world.path("site")) {
        for link in html::read(&text)?
            .iter()
            .filter_map(|element| element.get("href"))
            .filter(|link| link.contains("requests/"))
        {
            assert!(world.path("site").join(link.trim_start_matches("../")).exists(), "{path}: {link}");
        }
    }
    Ok(())
}

#[test]
fn the_answer_is_as_its_schema_says() -> Tested {
    let world = World::new()?;
    world.must("git init -q -b main; git config user.name T; git config user.email t@example.com; git commit -q --allow-empty -m start")?;
    let text = world.must("dispatch report --html ../site --json 2>/dev/null")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/dispatch/output/report.schema.json");
    let schema = Schema::compile("report.schema.json", &fs::read(path)?).map_err(|fault| fault.to_string())?;
    let faults = schema.validate_value(&serde_json::from_str(&text)?);
    assert!(faults.is_empty(), "{faults:?}");
    // Nothing has happened there, and that is a report too.
    let first = fs::read_to_string(world.path("site/index.html"))?;
    assert!(first.contains("Nothing waits and nothing runs.") && first.contains("Nothing has ended yet."));
    Ok(())
}

/// The style sheet's colours: name, light, dark.
fn colours() -> BTreeMap<String, [(u8, u8, u8); 2]> {
    let css = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/style.css")).unwrap();
    let mut colours = BTreeMap::new();
    for line in css.lines() {
        let Some((name, value)) = line.strip_prefix("--").and_then(|line| line.split_once(":light-dark(")) else {
            continue;
        };
        let pair: Vec<(u8, u8, u8)> = value.trim_end_matches([')', ';', '}']).split(',').map(colour).collect();
        colours.insert(name.to_owned(), [pair[0], pair[1]]);
    }
    assert!(colours.len() > 30, "{colours:?}");
    colours
}

fn colour(hex: &str) -> (u8, u8, u8) {
    let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (part(1), part(3), part(5))
}

/// Relative luminance and contrast of two colours, as the second version of the accessibility guidelines defines them.
fn contrast(front: (u8, u8, u8), behind: (u8, u8, u8)) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let luminance =
        |colour: (u8, u8, u8)| 0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2);
    let (front, behind) = (luminance(front), luminance(behind));
    (front.max(behind) + 0.05) / (front.min(behind) + 0.05)
}

#[test]
fn text_and_signs_can_be_told_from_what_is_behind_them() {
    assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 0.01);
    let colours = colours();
    let mut pairs: Vec<(String, String, f64)> = Vec::new();
    let mut need = |text: &str, behind: &str, least: f64| pairs.push((text.to_owned(), behind.to_owned(), least));
    for behind in ["page", "panel", "sunk", "idle-soft"] {
        for text in ["text", "muted", "link", "ok", "bad", "warn", "run", "idle"] {
            need(text, behind, 4.5);
        }
    }
    for tone in ["ok", "bad", "warn", "run", "idle"] {
        need(tone, &format!("{tone}-soft"), 4.5);
        need("text", &format!("{tone}-soft"), 4.5);
    }
    // A terminal's colours, as text and turned around; a line under the pointer is lighter or darker.
    for number in 0..16 {
        need(&format!("c{number}"), "sunk", 4.5);
        need(&format!("c{number}"), "idle-soft", 4.5);
    }
    for behind in ["page", "panel", "sunk"] {
        need("edge", behind, 3.0);
        need("focus", behind, 3.0);
    }
    let mut faults = Vec::new();
    for (text, behind, least) in pairs {
        for (mode, name) in ["light", "dark"].into_iter().enumerate() {
            let found = contrast(colours[&text][mode], colours[&behind][mode]);
            if found < least {
                faults.push(format!("{name}: {text} on {behind}: {found:.2}, at least {least}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_browser_finds_nothing_to_complain_of() -> Tested {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        eprintln!("no Chromium here: the pages are not looked at in a browser");
        return Ok(());
    };
    let world = hostile_world()?;
    world.must("dispatch report --html ../site 2>/dev/null")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(browser)
        .arg(world.path("site"))
        .arg(world.path("tmp/browser"))
        .output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "\n{said}");
    Ok(())
}
