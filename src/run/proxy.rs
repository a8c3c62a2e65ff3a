//! The dispatcher's own proxy settings, for handlers that are granted the network.
//!
//! Owns which variables these are, which of them a handler gets, and which part of them is a secret. Never: reads a configuration file, or
//! looks whether a proxy answers.

use std::ffi::OsString;

use percent_encoding::percent_decode;

/// In lower and in upper case; what both mean is for each program to say.
const NAMES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

/// Proxy variables by name.
#[derive(Debug, Default)]
pub(super) struct Proxies(Vec<(String, String)>);

impl Proxies {
    /// Those of an environment; what is no text is left out.
    pub(super) fn of(environment: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let text = environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(text.filter(|(name, _)| NAMES.contains(&name.as_str()) || is_upper(name)).collect())
    }

    /// The passwords in them, as they stand there and as they are meant, each under its variable's name.
    pub(super) fn passwords(&self) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, value) in &self.0 {
            let Some(written) = password(value) else { continue };
            let meant: Vec<u8> = percent_decode(written.as_bytes()).collect();
            all.extend([written.as_bytes().to_vec(), meant].map(|password| (name.clone(), password)));
        }
        all
    }

    /// Adds them to a handler's environment. What the index says wins, in whichever case it is spelt.
    pub(super) fn add_to(self, environment: &mut Vec<(String, String)>) {
        let said: Vec<String> = environment.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        environment.extend(self.0.into_iter().filter(|(name, _)| !said.contains(&name.to_ascii_lowercase())));
    }
}

fn is_upper(name: &str) -> bool {
    NAMES.iter().any(|known| known.to_ascii_uppercase() == name)
}

/// `[scheme://][user[:password]@]host…`. A password may hold anything, a slash or an at sign too, where a program is lenient: the last `@` counts.
fn password(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (user, _) = rest.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn both_cases_are_taken_and_nothing_else() {
        let all = [("http_proxy", "a"), ("HTTPS_PROXY", "b"), ("Http_Proxy", "c"), ("no_proxy", "d"), ("PROXY", "e")];
        let names: Vec<String> = proxies(&all).0.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["http_proxy", "HTTPS_PROXY", "no_proxy"]);
    }

    #[test]
    fn what_the_index_says_wins_in_either_case() {
        let mut environment =
            vec![("https_proxy".to_owned(), "mine".to_owned()), ("NO_PROXY".to_owned(), String::new())];
        proxies(&[("HTTPS_PROXY", "x"), ("http_proxy", "y"), ("no_proxy", "z")]).add_to(&mut environment);
        let shown: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["https_proxy=mine", "NO_PROXY=", "http_proxy=y"]);
    }

    #[test]
    fn passwords_are_found_as_written_and_as_meant() {
        for (url, expected) in [
            ("http://user:p%40ss@proxy:3128/", &["p%40ss", "p@ss"][..]),
            ("user:secret@proxy:3128", &["secret", "secret"]),
            ("http://user:a/b@c@proxy:3128", &["a/b@c", "a/b@c"]),
            ("http://user:%ff@proxy", &["%ff", "\u{fffd}"]),
            ("http://user@proxy:3128", &[]),
            ("http://user:@proxy:3128", &[]),
            ("http://proxy:3128", &[]),
            ("", &[]),
        ] {
            let found = proxies(&[("http_proxy", url)]).passwords();
            let found: Vec<_> = found.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect();
            assert_eq!(found, expected, "{url}");
        }
    }
}
