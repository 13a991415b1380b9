// SPDX-License-Identifier: MPL-2.0
//! What this registry can encode, decode, pay and depay, in rank order.
//!
//! Built once per process from the element registry, so `GST_PLUGIN_FEATURE_RANK` chooses among encoders. Whether an
//! element really works for a stream is for `sink::discovery` to find out. Owns the scan and its order. Which codecs
//! are wanted is said by `proposals`, and by the caps of pads; read from any thread, as nothing changes after the scan.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::Codec;

/// The catalogue of this process, made on first use.
pub(crate) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(Catalogue::scan)
}

/// The factories that serve each codec.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    entries: BTreeMap<Codec, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    encoders: Vec<gst::ElementFactory>,
    decoders: Vec<gst::ElementFactory>,
    payloaders: Vec<gst::ElementFactory>,
    depayloaders: Vec<gst::ElementFactory>,
}

impl Catalogue {
    /// Reads the registry as it is now.
    pub(crate) fn scan() -> Self {
        let encoders = factories(gst::ElementFactoryType::ENCODER);
        let decoders = factories(gst::ElementFactoryType::DECODER);
        let payloaders = factories(gst::ElementFactoryType::PAYLOADER);
        let depayloaders = factories(gst::ElementFactoryType::DEPAYLOADER);

        let mut entries = BTreeMap::new();
        for codec in Codec::ALL {
            let mut entry = Entry {
                payloaders: select(&payloaders, |f| names_encoding(f, gst::PadDirection::Src, codec)),
                depayloaders: select(&depayloaders, |f| {
                    names_encoding(f, gst::PadDirection::Sink, codec)
                }),
                ..Entry::default()
            };
            if !codec.is_raw_payload() {
                let caps = codec.caps();
                entry.encoders = select(&encoders, |f| takes(f, gst::PadDirection::Src, &caps));
                entry.decoders = select(&decoders, |f| takes(f, gst::PadDirection::Sink, &caps));
            }
            entries.insert(codec, entry);
        }
        Self { entries }
    }

    /// The same with other encoders for one codec.
    #[cfg(test)]
    pub(crate) fn with_encoders(mut self, codec: Codec, encoders: Vec<gst::ElementFactory>) -> Self {
        self.entries.entry(codec).or_default().encoders = encoders;
        self
    }

    /// Encoders of `codec`, best rank first; empty for a raw payload, which needs none.
    pub(crate) fn encoders(&self, codec: Codec) -> &[gst::ElementFactory] {
        self.entries
            .get(&codec)
            .map_or(&[], |entry| entry.encoders.as_slice())
    }

    /// Decoders of `codec`, best rank first.
    pub(crate) fn decoders(&self, codec: Codec) -> &[gst::ElementFactory] {
        self.entries
            .get(&codec)
            .map_or(&[], |entry| entry.decoders.as_slice())
    }

    /// The payloader of `codec` with the best rank.
    pub(crate) fn payloader(&self, codec: Codec) -> Option<&gst::ElementFactory> {
        self.entries.get(&codec)?.payloaders.first()
    }

    /// The depayloader of `codec` with the best rank.
    pub(crate) fn depayloader(&self, codec: Codec) -> Option<&gst::ElementFactory> {
        self.entries.get(&codec)?.depayloaders.first()
    }

    /// Whether a stream that already is in `codec` can be sent.
    pub(crate) fn can_pay(&self, codec: Codec) -> bool {
        self.payloader(codec).is_some()
    }

    /// Whether a raw stream can be sent as `codec`.
    pub(crate) fn can_encode(&self, codec: Codec) -> bool {
        self.can_pay(codec) && (codec.is_raw_payload() || !self.encoders(codec).is_empty())
    }

    /// Whether `codec` can be received and played: a raw payload needs no decoder.
    pub(crate) fn can_decode(&self, codec: Codec) -> bool {
        self.depayloader(codec).is_some() && (codec.is_raw_payload() || !self.decoders(codec).is_empty())
    }

    /// What the payloader of `codec` accepts; empty when there is none.
    pub(crate) fn payloader_input(&self, codec: Codec) -> gst::Caps {
        let mut accepted = gst::Caps::new_empty();
        if let Some(factory) = self.payloader(codec) {
            for template in templates(factory, gst::PadDirection::Sink) {
                accepted.merge(template);
            }
        }
        accepted
    }
}

/// All factories of a kind worth choosing by themselves, in the order of their rank.
fn factories(kind: gst::ElementFactoryType) -> Vec<gst::ElementFactory> {
    gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL)
        .into_iter()
        .collect()
}

/// Those that are wanted, still in the order of rank.
fn select(
    factories: &[gst::ElementFactory],
    wanted: impl Fn(&gst::ElementFactory) -> bool,
) -> Vec<gst::ElementFactory> {
    factories
        .iter()
        .filter(|factory| wanted(factory))
        .cloned()
        .collect()
}

fn templates(factory: &gst::ElementFactory, direction: gst::PadDirection) -> impl Iterator<Item = gst::Caps> {
    factory
        .static_pad_templates()
        .into_iter()
        .filter(move |template| template.direction() == direction)
        .map(|template| template.caps())
}

/// Whether a template that says what it handles (not ANY) handles `caps`.
fn takes(factory: &gst::ElementFactory, direction: gst::PadDirection, caps: &gst::Caps) -> bool {
    templates(factory, direction).any(|template| !template.is_any() && template.can_intersect(caps))
}

/// Whether a template names the codec in `encoding-name`, which is a string or a list of them.
fn names_encoding(factory: &gst::ElementFactory, direction: gst::PadDirection, codec: Codec) -> bool {
    let wanted = gst::Caps::builder("application/x-rtp")
        .field("encoding-name", codec.encoding_name())
        .build();
    templates(factory, direction)
        .any(|template| template.iter().any(|s| s.has_field("encoding-name")) && named(&template, &wanted))
}

/// Structures without an encoding name intersect everything: generic payloaders such as `rtpgstpay` are not meant.
fn named(template: &gst::Caps, wanted: &gst::Caps) -> bool {
    let mut naming = gst::Caps::new_empty();
    for structure in template.iter().filter(|s| s.has_field("encoding-name")) {
        let mut bare = gst::Structure::new_empty(structure.name());
        if let Ok(value) = structure.value("encoding-name") {
            bare.set_value("encoding-name", value.clone());
        }
        naming.merge(gst::Caps::builder_full().structure(bare).build());
    }
    naming.can_intersect(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::prelude::*;

    #[test]
    fn software_codecs_of_a_stock_install_are_complete() {
        gst::init().unwrap();
        for codec in [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9] {
            assert!(catalogue().can_encode(codec), "{codec} cannot be encoded");
            assert!(catalogue().can_decode(codec), "{codec} cannot be decoded");
        }
    }

    #[test]
    fn best_rank_comes_first() {
        gst::init().unwrap();
        for codec in Codec::ALL {
            let ranks: Vec<_> = catalogue().encoders(codec).iter().map(|f| f.rank()).collect();
            assert!(ranks.is_sorted_by(|a, b| a >= b), "{codec}: {ranks:?}");
            assert!(
                ranks.iter().all(|rank| *rank >= gst::Rank::MARGINAL),
                "{codec}: {ranks:?}"
            );
        }
    }

    #[test]
    fn payloaders_are_chosen_by_the_encoding_they_name() {
        gst::init().unwrap();
        let cases = [
            (Codec::Opus, "rtpopuspay"),
            (Codec::MultiOpus, "rtpopuspay"),
            (Codec::Vp8, "rtpvp8pay"),
            (Codec::H264, "rtph264pay"),
            (Codec::Vp9, "rtpvp9pay"),
            (Codec::L16, "rtpL16pay"),
            (Codec::L24, "rtpL24pay"),
            (Codec::Raw, "rtpvrawpay"),
        ];
        for (codec, factory) in cases {
            assert_eq!(catalogue().payloader(codec).unwrap().name(), factory, "{codec}");
        }
    }

    #[test]
    fn raw_payloads_need_no_encoder() {
        gst::init().unwrap();
        for codec in [Codec::L24, Codec::L16, Codec::L8, Codec::Raw] {
            assert!(catalogue().encoders(codec).is_empty());
            assert!(catalogue().can_encode(codec), "{codec}");
            assert!(catalogue().can_decode(codec), "{codec}");
            assert!(!catalogue().payloader_input(codec).is_empty());
        }
    }
}
