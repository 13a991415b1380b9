// SPDX-License-Identifier: MPL-2.0
//! What values of properties stand for, where GObject's types say less than the settings behind them.
//!
//! Pure; any thread. Conversions of whole structures are `structure`'s.

use gst::glib;

/// An empty text stands for NULL, which a launch line cannot write.
pub fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The fields of a structure as names and texts, as headers are given; what has no text is left out.
pub fn texts(structure: Option<&gst::StructureRef>) -> Vec<(String, String)> {
    let fields = structure.into_iter().flat_map(|structure| structure.iter());
    fields
        .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
        .collect()
}

fn text(value: &glib::Value) -> Option<String> {
    value.transform::<String>().ok()?.get().ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_nothing() {
        assert_eq!(non_empty(Some(String::new())), None);
        assert_eq!(non_empty(Some("x".into())), Some("x".into()));
        assert_eq!(non_empty(None), None);
    }

    #[test]
    fn a_structure_gives_the_text_of_each_field() {
        gst::init().expect("GStreamer initialises");
        let structure = gst::Structure::builder("headers")
            .field("authorization", "Bearer x")
            .field("x-number", 3i32)
            .field("x-null", None::<String>)
            .build();
        assert_eq!(
            texts(Some(&structure)),
            [
                ("authorization".to_owned(), "Bearer x".to_owned()),
                ("x-number".to_owned(), "3".to_owned())
            ]
        );
        assert_eq!(texts(None), []);
    }
}
