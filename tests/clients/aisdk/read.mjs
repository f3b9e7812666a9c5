// What the SDK makes of the bytes of a stream: its chunks, and the message they build.
import {
  parseJsonEventStream,
  readUIMessageStream,
  uiMessageChunkSchema,
} from "ai";

const { stream, message } = JSON.parse(process.argv[1]);

const chunks = [];
const errors = [];
const parsed = parseJsonEventStream({
  stream: new Blob([stream]).stream(),
  schema: uiMessageChunkSchema,
}).pipeThrough(
  new TransformStream({
    transform(result, controller) {
      if (!result.success) throw result.error;
      chunks.push(result.value);
      controller.enqueue(result.value);
    },
  }),
);

let built = null;
const states = readUIMessageStream({
  message,
  stream: parsed,
  onError: (error) => errors.push(error.message),
});
for await (const state of states) built = state;

console.log(JSON.stringify({ chunks, errors, message: built }));
