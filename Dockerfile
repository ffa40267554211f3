# The collector as an image, without torch: docker build --tag kpp:0.1.0 . (Minikube: minikube image build -t kpp:0.1.0 .)
FROM python:3.11-slim AS build
WORKDIR /src
COPY constraints.txt deploy/collector-requirements.txt ./
RUN python -m venv /opt/kpp
RUN /opt/kpp/bin/pip install --no-cache-dir --constraint constraints.txt --requirement collector-requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY kpp kpp
RUN /opt/kpp/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
COPY --from=build /opt/kpp /opt/kpp
ENV PATH=/opt/kpp/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 HOME=/tmp KPP_OUTPUT_DIRECTORY=/data
RUN mkdir /data && chown 10001:10001 /data
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["kpp"]
CMD ["collect", "--check"]
