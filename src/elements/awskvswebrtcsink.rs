// SPDX-License-Identifier: MPL-2.0
//! `awskvswebrtcsink`: serves its streams to the viewers of an AWS Kinesis Video Streams signalling channel.
//!
//! ```text
//! gst-launch-1.0 awskvswebrtcsink name=sink signaller::channel-name=demo signaller::region=eu-west-1 \
//!     videotestsrc ! sink. audiotestsrc ! sink.
//! ```
//!
//! The element is the channel's master; viewers send the offers. Credentials are properties of the signaller or come
//! from where the AWS tools find theirs. `docs/aws-kvs.md` names the permissions they need.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signallers::aws_kvs::AwsKvsSignaller;
use crate::sink::{BaseWebRTCSink, BaseWebRTCSinkImpl};

glib::wrapper! {
    /// A sink that is the master of a Kinesis Video Streams signalling channel.
    pub struct AwsKvsWebRTCSink(ObjectSubclass<imp::AwsKvsWebRTCSink>)
        @extends BaseWebRTCSink, gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy, gst_video::Navigation;
}

/// Registers the element.
///
/// # Errors
/// When the registry refuses it.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "awskvswebrtcsink",
        gst::Rank::NONE,
        AwsKvsWebRTCSink::static_type(),
    )
}

mod imp {
    use std::sync::LazyLock;

    use super::*;

    /// Implementation of `GstAwsKvsWebRTCSink`.
    #[derive(Default)]
    pub struct AwsKvsWebRTCSink;

    #[glib::object_subclass]
    impl ObjectSubclass for AwsKvsWebRTCSink {
        const NAME: &'static str = "GstAwsKvsWebRTCSink";
        type Type = super::AwsKvsWebRTCSink;
        type ParentType = BaseWebRTCSink;
    }

    impl ObjectImpl for AwsKvsWebRTCSink {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_property("signaller", AwsKvsSignaller::default());
        }
    }

    impl GstObjectImpl for AwsKvsWebRTCSink {}

    impl ElementImpl for AwsKvsWebRTCSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "AwsKvsWebRTCSink",
                    "Sink/Network/WebRTC",
                    "WebRTC sink that is the master of an AWS Kinesis Video Streams channel",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for AwsKvsWebRTCSink {}
    impl BaseWebRTCSinkImpl for AwsKvsWebRTCSink {}
}
