/** gRPC status codes by name (grpc/grpc:doc/statuscodes.md), as Go's clients print them. */
export const CODES = {
  OK: 0, Canceled: 1, Unknown: 2, InvalidArgument: 3, DeadlineExceeded: 4, NotFound: 5, AlreadyExists: 6, PermissionDenied: 7,
  ResourceExhausted: 8, FailedPrecondition: 9, Aborted: 10, OutOfRange: 11, Unimplemented: 12, Internal: 13, Unavailable: 14, DataLoss: 15, Unauthenticated: 16,
} as const;

/** The name of a gRPC status. */
export type CodeName = keyof typeof CODES;

/** A call's failure as gRPC tells it: a status and a message. */
export class GrpcError extends Error {
  readonly code: number;

  constructor(code: CodeName | number, message: string) {
    super(message);
    this.name = 'GrpcError';
    this.code = typeof code === 'number' ? code : CODES[code];
  }
}

/** Makes (does not throw) a gRPC failure. */
export function status(code: CodeName, message: string): GrpcError {
  return new GrpcError(code, message);
}

/** The failure in the words of Go's grpc library: `rpc error: code = NotFound desc = …`. */
export function goText(error: GrpcError): string {
  const name = Object.entries(CODES).find(([, code]) => code === error.code)?.[0] ?? `Code(${error.code})`;
  return `rpc error: code = ${name} desc = ${error.message}`;
}

/** Any thrown thing as a gRPC failure; what is none becomes Unknown, as a Go server does. */
export function asGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  return new GrpcError('Unknown', error instanceof Error ? error.message : String(error));
}
