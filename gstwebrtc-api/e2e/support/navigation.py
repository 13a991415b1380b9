# SPDX-License-Identifier: MPL-2.0
"""Streams a test picture with webrtcsink and prints every navigation event that reaches its source.

usage: navigation.py SIGNALLING-URL NAME PROPERTY
PROPERTY is the sink property that opens the data channel.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

uri, name, channel = sys.argv[1:]
Gst.init(None)
pipeline = Gst.parse_launch(
    f'webrtcsink name=ws signaller::uri={uri} meta="meta,name={name}" {channel}=true '
    "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! identity name=probe ! ws."
)


def on_event(_pad, info):
    event = info.get_event()
    if event.type == Gst.EventType.NAVIGATION:
        print(event.get_structure().to_string(), flush=True)
    return Gst.PadProbeReturn.OK


def on_message(_bus, message):
    if message.type == Gst.MessageType.ERROR:
        sys.exit(f"pipeline failed: {message.parse_error()}")


pad = pipeline.get_by_name("probe").get_static_pad("src")
pad.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, on_event)
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message", on_message)
pipeline.set_state(Gst.State.PLAYING)
GLib.MainLoop().run()
