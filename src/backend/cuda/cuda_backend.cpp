#include "backend/cuda/cuda_backend.h"

#include <algorithm>
#include <utility>

namespace glint {
namespace {

constexpr int kComputeCapability = 90;                 // what the kernels are compiled for: sm_90a
constexpr int64_t kContextBytes = int64_t{640} << 20;  // a CUDA context with these kernels, about
constexpr int kDriverVersion = 13000;  // the first driver that runs CUDA 13.0's code

std::string version_text(int version) { return cat(version / 1000, ".", version % 1000 / 10); }

class StreamEvent final : public Event {
 public:
  explicit StreamEvent(cudaStream_t stream) : stream_(stream) {
    CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
  }
  ~StreamEvent() override { cudaEventDestroy(event_); }
  StreamEvent(const StreamEvent&) = delete;
  StreamEvent& operator=(const StreamEvent&) = delete;

  void record() override { CUDA_CHECK(cudaEventRecord(event_, stream_)); }
  void wait() override { CUDA_CHECK(cudaEventSynchronize(event_)); }

 private:
  cudaStream_t stream_;
  cudaEvent_t event_ = nullptr;
};

// A CUDA graph of the kernels that one call of `ops` starts.
class Graph final : public Recording {
 public:
  Graph(cudaStream_t stream, const std::function<void()>& ops) : stream_(stream) {
    cudaGraph_t graph = nullptr;
    CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    ops();
    CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
    CUDA_CHECK(cudaGraphInstantiate(&graph_, graph, 0));
    CUDA_CHECK(cudaGraphDestroy(graph));
    CUDA_CHECK(cudaGraphUpload(graph_, stream));
  }
  ~Graph() override { cudaGraphExecDestroy(graph_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void run() override { CUDA_CHECK(cudaGraphLaunch(graph_, stream_)); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t graph_ = nullptr;
};

Error unusable(std::string message) { return {ErrorCode::kStartup, std::move(message)}; }

}  // namespace

CudaBackend::CudaBackend(int device) {
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  num_sms_ = properties.multiProcessorCount;
  description_ = cat("cuda:", device, ", ", properties.name);
}

CudaBackend::~CudaBackend() = default;

void* CudaBackend::allocate(size_t bytes) {
  void* data = nullptr;
  if (bytes == 0 || cudaMalloc(&data, bytes) == cudaSuccess) return data;
  cudaGetLastError();  // "out of memory" is an answer, not a lost context
  return nullptr;
}

void CudaBackend::free(void* data) {
  stream_.wait();
  CUDA_CHECK(cudaFree(data));
}

void CudaBackend::upload(void* to, const void* from_host, size_t bytes) {
  if (bytes == 0) return;
  CUDA_CHECK(cudaMemcpyAsync(to, from_host, bytes, cudaMemcpyHostToDevice, stream_));
}

void CudaBackend::download(void* to_host, const void* from, size_t bytes) {
  if (bytes == 0) return;
  CUDA_CHECK(cudaMemcpyAsync(to_host, from, bytes, cudaMemcpyDeviceToHost, stream_));
  stream_.wait();
}

void CudaBackend::zero(void* data, size_t bytes) {
  if (bytes > 0) CUDA_CHECK(cudaMemsetAsync(data, 0, bytes, stream_));
}

void* CudaBackend::allocate_host(size_t bytes) {
  void* data = nullptr;
  if (bytes == 0 || cudaMallocHost(&data, bytes) == cudaSuccess) return data;
  cudaGetLastError();
  return nullptr;
}

void CudaBackend::free_host(void* data) { CUDA_CHECK(cudaFreeHost(data)); }

void CudaBackend::upload_async(void* to, const void* from_host, size_t bytes) {
  if (bytes == 0) return;
  CUDA_CHECK(cudaMemcpyAsync(to, from_host, bytes, cudaMemcpyHostToDevice, stream_));
}

void CudaBackend::download_async(void* to_host, const void* from, size_t bytes) {
  if (bytes == 0) return;
  CUDA_CHECK(cudaMemcpyAsync(to_host, from, bytes, cudaMemcpyDeviceToHost, stream_));
}

std::unique_ptr<Event> CudaBackend::make_event() { return std::make_unique<StreamEvent>(stream_); }

std::unique_ptr<Recording> CudaBackend::record(const std::function<void()>& ops) {
  return std::make_unique<Graph>(stream_, ops);
}

CudaMemory cuda_memory() {
  int device = 0;
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDevice(&device));
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  size_t free_bytes = 0, total_bytes = 0;
  CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  const int64_t used = static_cast<int64_t>(total_bytes - free_bytes) - kContextBytes;
  return {.gpu_name = properties.name,
          .total_bytes = static_cast<int64_t>(total_bytes),
          .used_by_others_bytes = std::max<int64_t>(0, used)};
}

Result<std::unique_ptr<Backend>> make_cuda_backend(int device) {
  int driver = 0, count = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) {
    return unusable("No NVIDIA driver was found (libcuda.so.1). glint needs one for CUDA " +
                    version_text(kDriverVersion) + " or later.");
  }
  if (driver < kDriverVersion) {
    return unusable(cat("The NVIDIA driver is for CUDA ", version_text(driver), "; glint needs ",
                        version_text(kDriverVersion), " or later. Update the driver."));
  }
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    cudaGetLastError();
    return unusable(cat("The CUDA driver does not start: ", cudaGetErrorString(error), "."));
  }
  if (device >= count) {
    return unusable(cat("GPU ", device, " was asked for; the driver shows ", count, "."));
  }
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  const int capability = 10 * properties.major + properties.minor;
  if (capability != kComputeCapability) {
    return unusable(cat(properties.name, " has compute capability ", properties.major, ".",
                        properties.minor, "; this build is for 9.0 (H100, H200, GH200)."));
  }
  CUDA_CHECK(cudaSetDevice(device));
  return std::unique_ptr<Backend>(std::make_unique<CudaBackend>(device));
}

}  // namespace glint
