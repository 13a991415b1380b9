// SPDX-License-Identifier: MPL-2.0
// Plays a WHEP endpoint and reports frames and the colours of seven bars.
import { WebRTCPlayer } from "@eyevinn/webrtc-player";

const video = document.querySelector("video");
const url = new URL(new URLSearchParams(location.search).get("url"));
const player = new WebRTCPlayer({ video, type: "whep", debug: true });
await player.load(url);

const canvas = document.createElement("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });

function bars() {
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  pen.drawImage(video, 0, 0);
  const y = Math.floor(video.videoHeight / 3);
  return Array.from({ length: 7 }, (_, i) => {
    const x = Math.floor(((i + 0.5) * video.videoWidth) / 7);
    return Array.from(pen.getImageData(x, y, 1, 1).data.slice(0, 3));
  });
}

setInterval(() => {
  const frames = video.getVideoPlaybackQuality().totalVideoFrames;
  console.log(JSON.stringify({ frames, bars: video.videoWidth > 0 ? bars() : [] }));
}, 500);
