// streamer.js

const axios = require('axios')
const {Readable} = require('stream')

const apiKey = '<Your-Secret-Key>'
const chatId = '<Your Chatbot ID>'
const apiUrl = 'https://www.chatbase.co/api/v1/chat'

const messages = [{content: '<Your query here>', role: 'user'}]

const authorizationHeader = `Bearer ${apiKey}`

async function readChatbotReply() {
  try {
    const response = await axios.post(
      apiUrl,
      {
        messages,
        chatId,
        stream: true,
        temperature: 0,
      },
      {
        headers: {
          Authorization: authorizationHeader,
          'Content-Type': 'application/json',
        },
        responseType: 'stream',
      }
    )

    const readable = new Readable({
      read() {},
    })

    response.data.on('data', (chunk) => {
      readable.push(chunk)
    })

    response.data.on('end', () => {
      readable.push(null)
    })

    const decoder = new TextDecoder()
    let done = false

    readable.on('data', (chunk) => {
      const chunkValue = decoder.decode(chunk)

      // Process the chunkValue as desired
      // Here we just output it as in comes in without \n
      process.stdout.write(chunkValue)
    })

    readable.on('end', () => {
      done = true
    })
  } catch (error) {
    console.log('Error:', error.message)
  }
}

readChatbotReply()
