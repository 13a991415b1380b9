// SPDX-License-Identifier: MPL-2.0
// A participant by LiveKit's own client, for the tests: takes part in a room and tells what it receives.
//
//   node livekit-participant.mjs URL TOKEN [publish]
//
// One JSON object a line and about four lines a second: frames and samples received so far, the size of the last frame,
// its colours at a quarter of the height in the middle of seven columns, and who publishes what. With `publish` it
// sends a green picture and a tone.
import {
  AudioFrame, AudioSource, AudioStream, LocalAudioTrack, LocalVideoTrack, Room, RoomEvent, TrackKind,
  TrackPublishOptions, TrackSource, VideoBufferType, VideoFrame, VideoSource, VideoStream,
} from '@livekit/rtc-node';

const [url, token, publish] = process.argv.slice(2);
const seen = { frames: 0, samples: 0, width: 0, height: 0, colours: [], tracks: {} };
const room = new Room();

function colours(frame) {
  const { data, width, height } = frame.convert(VideoBufferType.RGBA);
  const row = Math.floor(height / 4) * width;
  return Array.from({ length: 7 }, (_, column) => {
    const at = (row + Math.floor(((column + 0.5) * width) / 7)) * 4;
    return [data[at], data[at + 1], data[at + 2]];
  });
}

async function watch(track) {
  for await (const { frame } of new VideoStream(track)) {
    seen.frames += 1;
    Object.assign(seen, { width: frame.width, height: frame.height });
    if (seen.frames % 10 === 0) seen.colours = colours(frame);
  }
}

async function listen(track) {
  for await (const frame of new AudioStream(track)) seen.samples += frame.samplesPerChannel;
}

async function sendPicture(source, width, height) {
  const picture = new Uint8Array(width * height * 4);
  for (let at = 0; at < picture.length; at += 4) picture.set([0, 191, 0, 255], at);
  setInterval(() => source.captureFrame(new VideoFrame(picture, width, height, VideoBufferType.RGBA)), 66);
}

async function sendTone(source, rate) {
  const samples = rate / 100;
  for (let time = 0; ; time += samples) {
    const wave = Int16Array.from({ length: samples }, (_, i) => 8000 * Math.sin((2 * Math.PI * 440 * (time + i)) / rate));
    await source.captureFrame(new AudioFrame(wave, rate, 1, samples));
  }
}

async function send() {
  const options = (source) => Object.assign(new TrackPublishOptions(), { source });
  const [width, height, rate] = [320, 240, 48000];
  const video = new VideoSource(width, height);
  const audio = new AudioSource(rate, 1);
  const me = room.localParticipant;
  await me.publishTrack(LocalVideoTrack.createVideoTrack('green', video), options(TrackSource.SOURCE_CAMERA));
  await me.publishTrack(LocalAudioTrack.createAudioTrack('tone', audio), options(TrackSource.SOURCE_MICROPHONE));
  await Promise.all([sendPicture(video, width, height), sendTone(audio, rate)]);
}

room.on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
  seen.tracks[publication.sid] = { name: publication.name, participant: participant.identity, muted: publication.muted };
  (track.kind === TrackKind.KIND_VIDEO ? watch : listen)(track);
});
room.on(RoomEvent.TrackUnsubscribed, (_track, publication) => delete seen.tracks[publication.sid]);
room.on(RoomEvent.TrackMuted, (publication) => Object.assign(seen.tracks[publication.sid] ?? {}, { muted: true }));
room.on(RoomEvent.Disconnected, () => process.exit(0));

await room.connect(url, token, { autoSubscribe: true, dynacast: false });
setInterval(() => console.log(JSON.stringify(seen)), 250);
process.stdin.on('end', () => process.exit(0)).resume();
if (publish) await send();
