// What the SDK makes of the bytes of streams: the message that each builds, or adds to.
import {
  parseJsonEventStream,
  readUIMessageStream,
  uiMessageChunkSchema,
} from "ai";

async function read({ stream, message }) {
  const errors = [];
  const chunks = parseJsonEventStream({
    stream: new Blob([stream]).stream(),
    schema: uiMessageChunkSchema,
  }).pipeThrough(
    new TransformStream({
      transform(result, controller) {
        if (!result.success) throw result.error;
        controller.enqueue(result.value);
      },
    }),
  );
  const states = readUIMessageStream({
    message,
    stream: chunks,
    onError: (error) => errors.push(error.message),
  });
  let built = null;
  for await (const state of states) built = state;
  return { errors, message: built };
}

const cases = JSON.parse(process.argv[1]);
console.log(JSON.stringify(await Promise.all(cases.map(read))));
