#pragma once

// For functions that kernels call too.

#ifdef __CUDACC__
#define GLINT_HOST_DEVICE __host__ __device__
#else
#define GLINT_HOST_DEVICE
#endif
