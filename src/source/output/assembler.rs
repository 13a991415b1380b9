// SPDX-License-Identifier: MPL-2.0
//! The element between a depayloader that gives single NAL units and a parser that is to get whole pictures.
//!
//! A private element, never registered. What makes a picture is `picture`'s to say; here it gets its pads. Streaming
//! threads call everything; the one lock is not held while anything is pushed.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use gst::glib;
use gst::glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::picture::Picture;
use crate::codec::nal::Syntax;

glib::wrapper! {
    /// See the module's documentation.
    pub(crate) struct Assembler(ObjectSubclass<imp::Assembler>) @extends gst::Element, gst::Object;
}

impl Assembler {
    /// One for pictures of this syntax.
    pub(crate) fn new(syntax: Syntax) -> Self {
        let assembler: Self = glib::Object::new();
        let is_first = assembler
            .imp()
            .picture
            .set(Mutex::new(Picture::new(syntax)))
            .is_ok();
        debug_assert!(is_first, "a new assembler has no picture");
        assembler
    }
}

mod imp {
    use std::sync::LazyLock;

    use super::*;

    pub(crate) struct Assembler {
        sink_pad: gst::Pad,
        src_pad: gst::Pad,
        pub(super) picture: OnceLock<Mutex<Picture>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Assembler {
        const NAME: &'static str = "GstWebRTCSrcAssembler";
        type Type = super::Assembler;
        type ParentType = gst::Element;

        fn with_class(klass: &Self::Class) -> Self {
            let template = |name| {
                klass
                    .pad_template(name)
                    .expect("the class declares both of its pads")
            };
            let sink_pad = gst::Pad::builder_from_template(&template("sink"))
                .chain_function(|_, parent, unit| {
                    Self::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |this| this.chain(unit),
                    )
                })
                .event_function(|_, parent, event| {
                    Self::catch_panic_pad_function(parent, || false, |this| this.event(event))
                })
                .build();
            Self {
                sink_pad,
                src_pad: gst::Pad::from_template(&template("src")),
                picture: OnceLock::new(),
            }
        }
    }

    impl ObjectImpl for Assembler {
        fn constructed(&self) {
            self.parent_constructed();
            for pad in [&self.sink_pad, &self.src_pad] {
                self.obj().add_pad(pad).expect("a new element has no pads yet");
            }
        }
    }

    impl GstObjectImpl for Assembler {}

    impl ElementImpl for Assembler {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let template = |name, direction, alignment| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps(alignment))
                        .expect("these caps are valid")
                };
                vec![
                    template("sink", gst::PadDirection::Sink, "nal"),
                    template("src", gst::PadDirection::Src, "au"),
                ]
            });
            &TEMPLATES
        }
    }

    impl Assembler {
        fn chain(&self, unit: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let Some(mut picture) = self.picture() else {
                return Err(gst::FlowError::NotNegotiated);
            };
            let complete = picture.take(unit);
            drop(picture);
            let mut flow = Ok(gst::FlowSuccess::Ok);
            for picture in complete.into_iter().flatten() {
                flow = self.src_pad.push(picture);
            }
            flow
        }

        fn event(&self, event: gst::Event) -> bool {
            match event.view() {
                gst::EventView::Caps(caps) => {
                    let mut caps = caps.caps_owned();
                    caps.make_mut().set("alignment", "au");
                    return self.src_pad.push_event(gst::event::Caps::new(&caps));
                }
                gst::EventView::Eos(_) => {
                    let rest = self.picture().and_then(|mut picture| picture.finish());
                    if let Some(rest) = rest {
                        // Nobody is left to be told how that went.
                        let _ = self.src_pad.push(rest);
                    }
                }
                gst::EventView::FlushStop(_) => {
                    self.picture().and_then(|mut picture| picture.finish());
                }
                _ => {}
            }
            gst::Pad::event_default(&self.sink_pad, Some(&*self.obj()), event)
        }

        fn picture(&self) -> Option<MutexGuard<'_, Picture>> {
            let picture = self.picture.get()?;
            Some(picture.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    fn caps(alignment: &str) -> gst::Caps {
        let mut caps = gst::Caps::new_empty();
        for name in ["video/x-h264", "video/x-h265"] {
            let structure = gst::Structure::builder(name)
                .field("stream-format", "byte-stream")
                .field("alignment", alignment);
            caps.make_mut().append_structure(structure.build());
        }
        caps
    }
}
