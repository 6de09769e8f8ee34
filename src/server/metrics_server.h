/* GET /metrics, for Prometheus: a process of its own, since the master never reads a stranger's
 * byte and a worker's time belongs to users. It serves one connection at a time, reads the request
 * line and nothing else of it, and holds nothing but the shared counters. */
#pragma once

#define METRICS_SERVER_SILENT_MS 8000 /* it hangs if it gives no sign of life for so long */

_Noreturn void metrics_server_main(int listener);
