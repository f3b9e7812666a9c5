// One conversation, with nothing but the types that were generated.
// Takes address, secret and agent as JSON, and prints what it got.

import assert from "node:assert/strict";
import { argv, stdout } from "node:process";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Refusal = components["schemas"]["Error"];
type Reply = components["schemas"]["Reply"];
type Message = components["schemas"]["Message"];

const given: { url: string; secret: string; agentId: number } = JSON.parse(
  argv[2] ?? "",
);
const path = { agentId: given.agentId };

function connect(secret: string) {
  return createClient<paths, "application/json">({
    baseUrl: given.url,
    headers: { Authorization: `Bearer ${secret}` },
  });
}

const client = connect(given.secret);

/** The answer, where it is no error. */
function good<T>(answer: { data?: T; error?: Refusal }): T {
  assert(answer.data !== undefined, answer.error?.error.message);
  return answer.data;
}

function text(parts: Reply["parts"] | Message["parts"]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

async function say(message: string, conversationId?: string): Promise<Reply> {
  const body = { message, userId: "ann", stream: false };
  const answer = await client.POST("/api/v2/agents/{agentId}/chat", {
    params: { path },
    body: conversationId === undefined ? body : { ...body, conversationId },
  });
  return good(answer).data;
}

// The agent is one of ours.
const agents = good(await client.GET("/api/v2/agents"));
assert.deepEqual(agents.data.map((agent) => agent.id), [given.agentId]);

// Two turns are one conversation; the id is passed back as it came.
const first = await say("How long does delivery take?");
const { conversationId } = first.metadata;
const second = await say("And to Canada?", conversationId);
assert.equal(second.metadata.conversationId, conversationId);
assert(second.id !== null);
const inConversation = { ...path, conversationId };

// A third, as a stream.
const { data: stream, response: streamed } = await client.POST(
  "/api/v2/agents/{agentId}/chat",
  {
    params: { path },
    body: { message: "And to Mars?", conversationId },
    parseAs: "stream",
  },
);
assert.equal(streamed.headers.get("x-conversation-id"), conversationId);
assert(stream);
let frames = "";
for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
  frames += chunk;
}
assert(frames.endsWith("data: [DONE]\n\n"));

// Another conversation, and all of them page by page.
const other = await say("Hello?");
const pages: string[][] = [];
let cursor: string | null = null;
do {
  const query: { limit: number; cursor?: string } = { limit: 1 };
  if (cursor !== null) query.cursor = cursor;
  const page = good(
    await client.GET("/api/v2/agents/{agentId}/conversations", {
      params: { path, query },
    }),
  );
  assert.equal(page.pagination.total, 2);
  pages.push(page.data.map((conversation) => conversation.id));
  cursor = page.pagination.cursor;
} while (cursor !== null);
assert.deepEqual(pages, [[other.metadata.conversationId], [conversationId]]);

// What was said.
const said = good(
  await client.GET(
    "/api/v2/agents/{agentId}/conversations/{conversationId}/messages",
    { params: { path: inConversation } },
  ),
);

// Thumbs up, and taken back.
for (const feedback of ["positive", null] as const) {
  const rated: { data: Message } = good(
    await client.PATCH(
      "/api/v2/agents/{agentId}/conversations/{conversationId}/messages/{messageId}/feedback",
      {
        params: { path: { ...inConversation, messageId: second.id } },
        body: { feedback },
      },
    ),
  );
  assert.equal(rated.data.feedback, feedback);
}

// Once more, please.
const again = good(
  await client.POST(
    "/api/v2/agents/{agentId}/conversations/{conversationId}/retry",
    {
      params: { path: inConversation },
      body: { messageId: second.id, stream: false },
    },
  ),
);
assert.notEqual(again.data.id, second.id);

// Who asks, and what it has cost.
const me = good(await client.GET("/api/v2/me"));
const usage = good(
  await client.GET("/api/v2/usage", { params: { query: { groupBy: "agent" } } }),
);

// What is refused is an error that has a type.
const { data: nothing, error } = await client.POST(
  "/api/v2/agents/{agentId}/chat",
  { params: { path }, body: { message: " ", stream: false } },
);
assert.equal(nothing, undefined);
assert(error);
const expected: components["schemas"]["ErrorCode"] = "VALIDATION_INVALID_BODY";
assert.equal(error.error.code, expected);
const stranger = await connect("oc_live_nobody").GET("/api/v2/me");
assert.equal(stranger.response.status, 401);

// The types say no. None of this runs: the compiler reads it.
export async function mistakes(): Promise<void> {
  // @ts-expect-error: there is no such address
  await client.GET("/api/v2/agent");
  // @ts-expect-error: the agent has to be named
  await client.POST("/api/v2/agents/{agentId}/chat", { body: { message: "Hi" } });
  await client.POST("/api/v2/agents/{agentId}/chat", {
    params: { path },
    // @ts-expect-error: true or false
    body: { message: "Hi", stream: "no" },
  });
  // @ts-expect-error: not every part has a text
  const words: (string | undefined)[] = second.parts.map((part) => part.text);
  // @ts-expect-error: no status of a conversation
  const status: components["schemas"]["ConversationStatus"] = "asleep";
  // @ts-expect-error: no code of an error
  const unknown: components["schemas"]["ErrorCode"] = "NO_SUCH_CODE";
  // @ts-expect-error: no field of a key
  assert(me.data.key.secret, String([words, status, unknown]));
}

stdout.write(
  JSON.stringify({
    conversationId,
    texts: said.data.map((message) => text(message.parts)),
    frames,
    finally: again.data.id,
    prefix: me.data.key.prefix,
    replies: usage.data.totals.replies,
    blame: error.error.details,
    stranger: stranger.error?.error.code,
  }),
);
