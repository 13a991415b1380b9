// SPDX-License-Identifier: MPL-2.0
//! Metadata as the registry keeps it, and the lists made of it.
//!
//! Metadata stays the compact text it came as: parsed JSON can take eighty times the room of its text (a map of
//! one entry is a node for eleven), and a list of a thousand peers is then a matter of copying texts. The lists
//! are those of the protocol's `OutgoingMessage`, with that text in them.

use std::sync::Arc;

use gst_plugin_webrtc_signalling_protocol::PeerId;
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

/// A list of peers, as it goes on the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Listing {
    List { producers: Vec<Listed> },
    ListConsumers { consumers: Vec<Listed> },
}

/// One peer of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Listed {
    pub(super) id: PeerId,
    pub(super) meta: Option<Meta>,
}

/// Metadata of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Meta(Arc<RawValue>);

impl Meta {
    pub(super) fn new(value: &Value) -> Self {
        Self(to_raw_value(value).expect("every value has a JSON form").into())
    }

    /// The bytes of what may be there.
    pub(super) fn bytes(meta: &Option<Self>) -> usize {
        meta.as_ref().map_or(0, |meta| meta.0.get().len())
    }

    pub(super) fn value(&self) -> Value {
        serde_json::from_str(self.0.get()).expect("it was made from a value")
    }
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Serialize for Meta {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use gst_plugin_webrtc_signalling_protocol::{OutgoingMessage, Peer};
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_survives_as_text() {
        let value = json!({"b": [1, 2.5, -3e40, null], "a": {"nested": "\u{1}ä\"\\"}});
        let meta = Meta::new(&value);
        assert_eq!(meta.value(), value);
        assert_eq!(Meta::bytes(&Some(meta)), value.to_string().len());
        assert_eq!(Meta::bytes(&None), 0);
    }

    #[test]
    fn lists_are_those_of_the_protocol() {
        let meta = json!({"name": "cam", "tags": [1, {"deep": true}]});
        let listed = || {
            let with_meta = Listed {
                id: "p".into(),
                meta: Some(Meta::new(&meta)),
            };
            vec![
                with_meta,
                Listed {
                    id: "q".into(),
                    meta: None,
                },
            ]
        };
        let peers = || {
            let with_meta = Peer {
                id: "p".into(),
                meta: Some(meta.clone()),
            };
            vec![
                with_meta,
                Peer {
                    id: "q".into(),
                    meta: None,
                },
            ]
        };
        for (listing, expected) in [
            (
                Listing::List { producers: listed() },
                OutgoingMessage::List { producers: peers() },
            ),
            (
                Listing::ListConsumers { consumers: listed() },
                OutgoingMessage::ListConsumers { consumers: peers() },
            ),
        ] {
            let text = serde_json::to_string(&listing).unwrap();
            assert_eq!(text, serde_json::to_string(&expected).unwrap());
        }
    }
}
