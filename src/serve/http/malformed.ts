// What never becomes a request, because it is no HTTP or asks for what HTTP knows and we do not: answered by the book all the same.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { problemOf, problemWith, type Problem } from './problem.js';
import { TiresiasError } from '../../errors.js';

/** Node's word for what is wrong, as a problem. */
function faultOf({ code }: NodeJS.ErrnoException): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return problemWith(408, 'INVALID_ARGUMENT', 'the request did not arrive in time');
  if (code === 'HPE_HEADER_OVERFLOW') return problemWith(431, 'TOO_LARGE', 'the headers of the request are too large');
  return problemWith(400, 'INVALID_ARGUMENT', 'the request is no HTTP');
}

/** Answers on a connection whose request could not be read, and ends it. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code !== 'ECONNRESET' && socket.writable) {
    const problem = faultOf(error);
    const body = JSON.stringify(problem);
    socket.write(`HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
  }
  socket.destroy(error);
}

/** Answers requests that expect what we do not do. */
export function refuseExpectations(server: Server): void {
  server.on('checkExpectation', ({ headers }: IncomingMessage, response: ServerResponse) => {
    const problem = problemWith(417, 'INVALID_ARGUMENT', `the request expects ${JSON.stringify(headers.expect?.slice(0, 60))}, and only 100-continue can be`);
    response.writeHead(problem.status, { 'content-type': 'application/problem+json', connection: 'close' }).end(JSON.stringify(problem));
  });
}

/** HTTP/1.1 wants to know which host is meant. */
export function hostMissing({ httpVersion, headers }: IncomingMessage): Problem | undefined {
  return httpVersion === '1.1' && headers.host === undefined ? problemOf(new TiresiasError('INVALID_ARGUMENT', 'the request needs the header `host`')) : undefined;
}
