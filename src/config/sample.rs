//! The sample config: the table of options as a commented file, laid out as oslo's config generator does it.
//!
//! Promises: each option that is read stands there at its default, behind a `#` without a space, so that removing the `#`
//! changes nothing; whatever begins with `# ` is text. An option without a default has `<None>`, which is a value for
//! nobody. Rejected: a file kept by hand, which is wrong after the next option.

use super::options::{GROUPS, OptionGroup, OptionSpec, STORE_COMMON, STORE_TYPES};
use super::types::Kind;

/// Width of a line of text, with its `# `.
const WIDTH: usize = 104;

/// Types that `store_kind` in `stores.rs` has no options of. Theirs are only named.
const UNSUPPORTED: &[&str] = &["swift", "s3", "cinder", "vmware"];

const HEAD: &str = "\
# glance-scrubber: every option that is read, with its default. --print-sample-config prints this file.
#
# An option's line begins with # and its name; remove the # to set it. <None> stands for: not set. There
# are no comments at the end of a line; a line that begins with a space continues the one above; a plain
# $ is written $$.
#
# Glance's own files are read as they are, so only what differs from them has to stand here. One option
# must be set somewhere: connection in [database]. Let a file with a password or a key be 0640 root:glance.
";

const SEVERAL_STORES: &str = "\
#
# Several stores: enabled_backends in [DEFAULT] names them. Each has a section of its name, with the
# options of its type as above; what is missing there is taken from [backend_defaults], then from the
# default. For example:
#
#     [DEFAULT]
#     enabled_backends = local:file, ceph:rbd
#     [glance_store]
#     default_backend = ceph
#     [local]
#     filesystem_store_datadir = /srv/images
#     [ceph]
#     rbd_store_user = glance
#
";

/// The whole file.
pub fn sample() -> String {
    let mut file = HEAD.to_owned();
    let mut section = "";
    for group in GROUPS {
        if group.section != section {
            section = group.section;
            file.push_str(&format!("\n\n[{section}]\n"));
        }
        add_group(&mut file, group);
        if section == "glance_store" {
            add_stores(&mut file);
        }
    }
    file
}

fn add_group(file: &mut String, group: &OptionGroup) {
    add_title(file, group.about);
    add_options(file, group.section, group.options);
}

fn add_stores(file: &mut String) {
    for (kind, options) in STORE_TYPES.iter().filter(|(kind, _)| !UNSUPPORTED.contains(kind)) {
        add_title(file, &format!("Stores of type {kind}."));
        add_options(file, "glance_store", options);
    }
    if !UNSUPPORTED.is_empty() {
        let types = UNSUPPORTED.join(", ");
        add_title(
            file,
            &format!("Stores of type {types}: their options are understood; nothing is deleted from them."),
        );
    }
    file.push('\n');
    file.push_str(SEVERAL_STORES);
    add_options(file, "glance_store", STORE_COMMON);
}

fn add_title(file: &mut String, title: &str) {
    file.push_str("\n#\n");
    add_text(file, title);
    file.push_str("#\n");
}

fn add_options(file: &mut String, section: &str, options: &[OptionSpec]) {
    for option in options.iter().filter(|option| option.used) {
        file.push('\n');
        add_option(file, section, option);
    }
    let others: Vec<_> = options.iter().filter(|option| !option.used).map(|option| option.name).collect();
    if !others.is_empty() {
        file.push('\n');
        add_text(file, &format!("Understood, but without effect here: {}.", others.join(", ")));
    }
}

fn add_option(file: &mut String, section: &str, option: &OptionSpec) {
    add_text(file, &format!("{} ({})", option.help, type_name(option.kind)));
    match option.kind {
        Kind::Int { min, max } => {
            for (bound, number, none) in [("Minimum", min, i64::MIN), ("Maximum", max, i64::MAX)] {
                if number != none {
                    add_text(file, &format!("{bound} value: {number}"));
                }
            }
        }
        Kind::Decimal { max } => {
            add_text(file, "Minimum value: 0.001");
            add_text(file, &format!("Maximum value: {max}"));
        }
        Kind::Choice { words, .. } => add_text(file, &format!("Possible values: {}", words.join(", "))),
        _ => {}
    }
    for alias in option.aliases {
        let section = alias.section.unwrap_or(section);
        add_text(file, &format!("Deprecated group/name - [{section}]/{}", alias.name));
    }
    let line = format!("#{} = {}", option.name, option.default.unwrap_or("<None>"));
    file.push_str(line.trim_end());
    file.push('\n');
}

/// oslo's words.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Choice { .. } => "string value",
        Kind::Bool => "boolean value",
        Kind::Int { .. } => "integer value",
        Kind::Decimal { .. } => "floating point value",
        Kind::List => "list value",
        Kind::Dict => "dict value",
        Kind::Multi => "multi valued",
        Kind::Host => "host address value",
    }
}

/// A paragraph of comment lines.
fn add_text(file: &mut String, text: &str) {
    let mut line = "#".to_owned();
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > WIDTH && line != "#" {
            file.push_str(&line);
            file.push('\n');
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    file.push_str(&line);
    file.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::stores::StoreKind;
    use super::super::{Config, ConfigErrors, ConfigSource, Invocation, load};
    use super::*;

    /// Loads a text with the one option that has to be set, from the environment.
    fn load_text(text: &str) -> Result<Config, ConfigErrors> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sample.conf");
        std::fs::write(&path, text).unwrap();
        let connection = ("OS_DATABASE__CONNECTION".to_owned(), "sqlite:////glance.sqlite".to_owned());
        let sources = vec![ConfigSource::File(path)];
        load(&Invocation { sources, env: [connection].into(), search: Some(Vec::new()), ..Invocation::default() })
    }

    /// Every default without its `#`.
    fn uncommented() -> String {
        let line =
            |line: &str| match line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                Some(option) if !option.ends_with("= <None>") => format!("{option}\n"),
                _ => format!("{line}\n"),
            };
        sample().lines().map(line).collect()
    }

    #[test]
    fn as_it_is_it_sets_nothing() {
        let config = load_text(&sample()).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", load_text("").unwrap()));
    }

    #[test]
    fn every_default_can_be_uncommented_and_changes_nothing() {
        let text = uncommented();
        let with_default = |option: &&OptionSpec| option.used && option.default.is_some();
        let stores =
            STORE_TYPES.iter().filter(|(kind, _)| !UNSUPPORTED.contains(kind)).flat_map(|(_, options)| *options);
        let all = GROUPS.iter().flat_map(|group| group.options).chain(stores).filter(with_default).count();
        let set = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).count();
        assert_eq!(set, all);
        assert_eq!(format!("{:?}", load_text(&text).unwrap()), format!("{:?}", load_text("").unwrap()));
        // The same with every store type that has options, and in the section of a store.
        let types = "[glance_store]\nstores = file,http,rbd\n";
        assert_eq!(
            format!("{:?}", load_text(&format!("{text}{types}")).unwrap()),
            format!("{:?}", load_text(types).unwrap())
        );
    }

    #[test]
    fn a_none_that_was_uncommented_is_no_number() {
        let text = sample().replace("#max_images_per_cycle = <None>", "max_images_per_cycle = <None>");
        assert!(load_text(&text).unwrap_err().to_string().contains("max_images_per_cycle"));
    }

    #[test]
    fn its_example_of_several_stores_is_one() {
        let example: String =
            SEVERAL_STORES.lines().filter_map(|line| Some(line.strip_prefix("#     ")?.to_owned() + "\n")).collect();
        let config = load_text(&example).unwrap();
        assert_eq!((config.stores.stores.len(), config.warnings), (2, Vec::<String>::new()));
    }

    #[test]
    fn the_types_that_are_left_out_are_those_that_nothing_is_deleted_from() {
        for (kind, _) in STORE_TYPES {
            let config = load_text(&format!("[glance_store]\nstores = {kind}\n")).unwrap();
            let unsupported = matches!(config.stores.stores[0].kind, StoreKind::Unsupported(_));
            assert_eq!(unsupported, UNSUPPORTED.contains(kind), "{kind}");
        }
    }

    #[test]
    fn no_line_is_too_long_for_a_terminal() {
        let sample = sample();
        let long: Vec<_> =
            sample.lines().filter(|line| line.len() > 120 && !line.starts_with("#default_log_levels")).collect();
        assert_eq!(long, Vec::<&str>::new());
    }
}
